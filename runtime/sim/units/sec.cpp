// The semantic concentrator: importance of tokens, the most important ones, selection.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "../operands.h"

namespace focus {

Engine::Cost Engine::sec_importance(const Decoded& d) {
    using namespace isa::sec_importance;
    if (!machine_.sec) fail(d, "this machine has no semantic concentrator");
    int64_t nrows = extent(d, rows), ncols = extent(d, cols);
    if (nrows == 0 || ncols == 0) return {};
    bool init = initialises(d);
    Tile p = operand(d, src, nrows, ncols, isa::READ);
    Tile best = operand(d, dst, 1, ncols, init ? isa::WRITE : isa::READ_WRITE);
    if (options_.functional) {
        float* out = reinterpret_cast<float*>(data(best));
        if (init) std::fill_n(out, ncols, 0.0f);
        for (int64_t r = 0; r < nrows; ++r)
            kernels().zip(int(isa::ZipOp::MAX), isa::Broadcast::FULL, rows_of(best), rows_of(p, r), rows_of(best), 1, ncols);
    }
    counters_.activity.sec_maxima += nrows * ncols;
    return cost_of(timing::sec_importance(machine_, nrows, ncols));
}

Engine::Cost Engine::sec_topk(const Decoded& d) {
    using namespace isa::sec_topk;
    if (!machine_.sec) fail(d, "this machine has no semantic concentrator");
    int64_t candidates = extent(d, n), keep = extent(d, k);
    if (candidates == 0 || keep == 0) return {};
    if (keep > candidates) fail(d, text("keeps %lld of %lld candidates", (long long)keep, (long long)candidates));
    Tile from = operand(d, src, 1, candidates, isa::READ), to = operand(d, dst, 1, keep, isa::WRITE);
    if (options_.functional) {
        const float* value = reinterpret_cast<const float*>(data(from));
        std::vector<int32_t> order(static_cast<size_t>(candidates));
        std::iota(order.begin(), order.end(), 0);
        auto before = [&](int32_t a, int32_t b) {       // a NaN is the most important; ties go to the lower number
            bool nan_a = value[a] != value[a], nan_b = value[b] != value[b];
            if (nan_a != nan_b) return nan_a;
            if (!nan_a && value[a] != value[b]) return value[a] > value[b];
            return a < b;
        };
        std::nth_element(order.begin(), order.begin() + (keep - 1), order.end(), before);
        std::sort(order.begin(), order.begin() + keep);
        std::memcpy(data(to), order.data(), size_t(to.row_bytes));
    }
    counters_.activity.sec_maxima += candidates * machine_.topk_passes;
    return cost_of(timing::sec_topk(machine_, candidates));
}

Engine::Cost Engine::sec_select(const Decoded& d) {
    using namespace isa::sec_select;
    if (!machine_.sec) fail(d, "this machine has no semantic concentrator");
    int64_t length = extent(d, n), keep = extent(d, k);
    if (length == 0 || keep == 0) return {};
    Tile from = resolve(d, src, 1, length);
    look_up(src, from, 0, 1, keep * 4);
    Tile chosen = operand(d, sel, 1, keep, isa::READ), to = operand(d, dst, 1, keep, isa::WRITE);
    if (options_.functional) {
        const int32_t* list = reinterpret_cast<const int32_t*>(data(from));
        const int32_t* rows = reinterpret_cast<const int32_t*>(data(chosen));
        std::vector<int32_t> kept(static_cast<size_t>(keep));
        for (int64_t i = 0; i < keep; ++i) {
            if (rows[i] < 0 || rows[i] >= length) fail(d, text("operand 'sel': row %d of a list of %lld", rows[i], (long long)length));
            kept[size_t(i)] = list[rows[i]];
        }
        std::memcpy(data(to), kept.data(), size_t(to.row_bytes));
    }
    return cost_of(timing::sec_select(machine_, keep));
}

}  // namespace focus
