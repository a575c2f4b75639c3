// Chooses the kernels this processor can run.
#include <atomic>
#include <cstring>

#include "kernels.h"

namespace focus {
namespace baseline { extern const Kernels table; }
#if defined(__x86_64__)
namespace avx2 { extern const Kernels table; }
namespace avx512 { extern const Kernels table; }
#endif

namespace {

struct Variant { const Kernels* table; bool runs; };

/// Best first.
const Variant* variants(int& count) {
#if defined(__x86_64__)
    __builtin_cpu_init();
    static const bool has_avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
    static const bool has_avx512 = has_avx2 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512vl") &&
                                   __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq");
    static const Variant all[] = {{&avx512::table, has_avx512}, {&avx2::table, has_avx2}, {&baseline::table, true}};
    count = 3;
#else
    static const Variant all[] = {{&baseline::table, true}};
    count = 1;
#endif
    return all;
}

const Kernels* best() {
    int count;
    const Variant* all = variants(count);
    while (!all->runs) ++all;
    return all->table;
}

std::atomic<const Kernels*> current = nullptr;

}  // namespace

const Kernels& kernels() {
    if (!current) current = best();
    return *current;
}

bool select_kernels(const char* name) {
    int count;
    const Variant* all = variants(count);
    for (int i = 0; i < count; ++i)
        if (all[i].runs && !std::strcmp(all[i].table->name, name)) {
            current = all[i].table;
            return true;
        }
    return false;
}

}  // namespace focus
