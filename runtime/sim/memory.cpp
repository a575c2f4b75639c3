// On-chip memories as arrays, DRAM as a sparse mapping.
#include "memory.h"

#include <sys/mman.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "error.h"

namespace focus {

Memory::~Memory() {
    if (dram_) munmap(dram_, size_t(mapped_));
}

std::string Memory::part(isa::Space space, int64_t base, int64_t bytes) {
    const char* name = isa::SPACE_NAMES[int(space)];
    if (!machine_.part[int(space)]) return text("%s is no part of a scratchpad on this machine", name);
    if (base % machine_.bank || bytes % machine_.bank || bytes == 0)
        return text("%lld bytes from %lld on: whole banks of %lld expected", (long long)bytes, (long long)base, (long long)machine_.bank);
    if (base + bytes > machine_.scratchpad) return text("bytes %lld..%lld of a scratchpad of %lld", (long long)base, (long long)(base + bytes),
                                                        (long long)machine_.scratchpad);
    if (bytes > machine_.bytes[int(space)]) return text("%lld bytes for %s, which may have %lld", (long long)bytes, name, (long long)machine_.bytes[int(space)]);
    for (int s = 0; s < isa::NUM_SPACE; ++s)
        if (const Part& p = parts_[s]; p.bytes && base < p.base + p.bytes && p.base < base + bytes)
            return text("banks of %s are those of %s", name, isa::SPACE_NAMES[s]);
    parts_[int(space)] = {base, bytes};
    sizes_[int(space)] = bytes;
    return "";
}

void Memory::unite() {
    for (Part& p : parts_) p = {};
    for (int s = 0; s < isa::NUM_SPACE; ++s) sizes_[s] = machine_.part[s] ? 0 : machine_.bytes[s];
}

void Memory::reset(bool data) {
    unite();
    for (int s = 1; s < isa::NUM_SPACE; ++s) {
        bool needed = data || isa::Space(s) == isa::Space::COUNTS;
        if (!needed) chip_[s].reset();
        else if (!chip_[s]) chip_[s] = std::make_unique<uint8_t[]>(size_t(machine_.bytes[s]));
        else std::memset(chip_[s].get(), 0, size_t(machine_.bytes[s]));
    }
}

void Memory::forget(int64_t begin, int64_t end) {
    for (auto it = held_.begin(); it != held_.end();) {
        auto [from, to] = *it;
        if (to <= begin || from >= end) {
            ++it;
            continue;
        }
        it = held_.erase(it);
        if (from < begin) held_.insert({from, begin});
        if (to > end) held_.insert({end, to});
    }
}

void Memory::grow(int64_t end) {
    if (end <= mapped_) return;
    constexpr int64_t step = int64_t(64) << 20;
    int64_t wanted = ceil_div(std::max(end, mapped_ + mapped_ / 2), step) * step;
    void* p = dram_ ? mremap(dram_, size_t(mapped_), size_t(wanted), MREMAP_MAYMOVE)
                    : mmap(nullptr, size_t(wanted), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED) throw Error(text("cannot reserve %lld bytes for DRAM: %s", (long long)wanted, std::strerror(errno)));
    dram_ = static_cast<uint8_t*>(p);
    mapped_ = wanted;
}

}  // namespace focus
