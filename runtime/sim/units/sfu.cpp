// The vector unit.  Arithmetic is fp32; results are rounded once when they are stored.
//
// Cost: each function uses the lanes of each kind so many times (isa.py states it beside each instruction); the kind that is busiest decides,
// and the pipeline's length is added.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "../operands.h"

namespace focus {

using isa::Access;
using isa::MapOp;
using isa::ReduceOp;

Engine::Cost Engine::vector_cost(const Decoded& d, int64_t rows, int64_t cols) {
    const isa::Work& work = isa::WORK[int(d.op)];
    isa::Lanes uses = timing::lanes(work, work.by < 0 ? 0 : d.enums[work.by], work.extra_for >= 0 && has(d, work.extra_for), rows, cols);
    for (Activity* a : {&counters_.activity, &module_->activity})
        a->exp += uses.exp, a->multiply += uses.multiply, a->add += uses.add, a->sqrt += uses.sqrt, a->reciprocal += uses.reciprocal;
    return cost_of(timing::vector(machine_, uses));
}

Engine::Cost Engine::v_map(const Decoded& d) {
    using namespace isa::v_map;
    int64_t nrows = extent(d, rows), ncols = extent(d, cols);
    if (nrows == 0 || ncols == 0) return {};
    Tile from = operand(d, src, nrows, ncols, isa::READ), to = operand(d, dst, nrows, ncols, isa::WRITE);
    int function = d.enums[op];
    if (options_.functional) module_->overflows += kernels().map(function, rows_of(from), rows_of(to), nrows, ncols, scalars_[d.scalars[scalar]]);
    return vector_cost(d, nrows, ncols);
}

Engine::Cost Engine::v_zip(const Decoded& d) {
    using namespace isa::v_zip;
    int64_t nrows = extent(d, rows), ncols = extent(d, cols);
    if (nrows == 0 || ncols == 0) return {};
    auto shape = isa::Broadcast(d.enums[bcast]);
    bool row = shape == isa::Broadcast::ROW, col = shape == isa::Broadcast::COL;
    Tile left = operand(d, a, nrows, ncols, isa::READ);
    Tile right = operand(d, b, row ? 1 : nrows, col ? 1 : ncols, isa::READ);
    Tile to = operand(d, dst, nrows, ncols, isa::WRITE);
    if (options_.functional) module_->overflows += kernels().zip(d.enums[op], shape, rows_of(left), rows_of(right), rows_of(to), nrows, ncols);
    return vector_cost(d, nrows, ncols);
}

Engine::Cost Engine::v_reduce(const Decoded& d) {
    using namespace isa::v_reduce;
    int64_t nrows = extent(d, rows), ncols = extent(d, cols);
    if (nrows == 0 || ncols == 0) return {};
    auto function = ReduceOp(d.enums[op]);
    bool moments = function == ReduceOp::MOMENTS, init = initialises(d);
    Tile from = operand(d, src, nrows, ncols, isa::READ);
    Tile to = operand(d, dst, nrows, moments ? 2 : 1, init ? isa::WRITE : isa::READ_WRITE);
    if (options_.functional) {
        int64_t before = init ? 0 : 1;
        if (moments) {
            int64_t& columns = columns_[{to.space, to.address}];
            before = init ? 0 : columns;
            if (!init && !before) fail(d, "moments of further columns, but no call has begun the row");
            columns = before + ncols;
        }
        kernels().reduce(int(function), rows_of(from), rows_of(to), nrows, ncols, before);
    }
    return vector_cost(d, nrows, ncols);
}

Engine::Cost Engine::v_stats(const Decoded& d) {
    using namespace isa::v_stats;
    int64_t nrows = extent(d, rows);
    if (nrows == 0) return {};
    bool layer = isa::NormKind(d.enums[kind]) == isa::NormKind::LAYER;
    Tile from = operand(d, src, nrows, 2, isa::READ), to = operand(d, dst, nrows, 2, isa::WRITE);
    float inverse = scalars_[d.scalars[inv]], epsilon = scalars_[d.scalars[eps]];
    for (int64_t r = 0; options_.functional && r < nrows; ++r) {
        const float* s = reinterpret_cast<const float*>(data(from, r));
        float square = s[1] * inverse + (layer ? 0.0f : s[0] * s[0]);
        float out[2] = {layer ? s[0] : 0.0f, 1.0f / std::sqrt(square + epsilon)};
        std::memcpy(data(to, r), out, sizeof out);
    }
    return vector_cost(d, nrows, 0);
}

Engine::Cost Engine::v_normalize(const Decoded& d) {
    using namespace isa::v_normalize;
    int64_t nrows = extent(d, rows), ncols = extent(d, cols);
    if (nrows == 0 || ncols == 0) return {};
    bool biased = has(d, bias);
    Tile from = operand(d, src, nrows, ncols, isa::READ), row_stats = operand(d, stats, nrows, 2, isa::READ);
    Tile w = operand(d, weight, 1, ncols, isa::READ);
    Tile shift = biased ? operand(d, bias, 1, ncols, isa::READ) : Tile{};
    Tile to = operand(d, dst, nrows, ncols, isa::WRITE);
    if (options_.functional)
        module_->overflows += kernels().normalize(rows_of(from), rows_of(row_stats), rows_of(w), biased ? rows_of(shift) : Rows{}, rows_of(to),
                                                  nrows, ncols);
    return vector_cost(d, nrows, ncols);
}

Engine::Cost Engine::v_rope(const Decoded& d) {
    using namespace isa::v_rope;
    int64_t nrows = extent(d, rows), ncols = extent(d, cols);
    if (nrows == 0 || ncols == 0) return {};
    if (ncols & 1) fail(d, text("a head of %lld elements has no halves", (long long)ncols));
    Tile from = operand(d, src, nrows, ncols, isa::READ), c = operand(d, cos, nrows, ncols, isa::READ);
    Tile s = operand(d, sin, nrows, ncols, isa::READ), to = operand(d, dst, nrows, ncols, isa::WRITE);
    if (options_.functional) module_->overflows += kernels().rope(rows_of(from), rows_of(c), rows_of(s), rows_of(to), nrows, ncols);
    return vector_cost(d, nrows, ncols);
}

/// Operands of the kernels of attention; `q` and `k` are empty where nothing is masked, `to` where nothing is stored.
Scores Engine::scores_of(const Decoded& d, const Tile& from, const Tile& state, const Tile& to, const Tile& q, const Tile& k) {
    auto positions = [&](const Tile& t) { return t.rows ? reinterpret_cast<const int32_t*>(data(t)) : nullptr; };
    return {rows_of(from), rows_of(state), to.rows ? rows_of(to) : Rows{}, positions(q), positions(k), from.rows, from.cols,
            scalars_[d.scalars[isa::v_softmax::scalar]]};
}

/// A step without columns: maximum and sum stay, the factor is 1.
Engine::Cost Engine::keep_softmax(const Decoded& d, int64_t nrows, bool init) {
    Tile running = operand(d, isa::v_softmax::state, nrows, 4, init ? isa::WRITE : isa::READ_WRITE);
    for (int64_t r = 0; options_.functional && r < nrows; ++r) {
        float* s = reinterpret_cast<float*>(data(running, r));
        if (init) s[0] = -__builtin_inff(), s[1] = 0.0f;
        s[2] = 1.0f, s[3] = 0.0f;
    }
    return {};
}

Engine::Cost Engine::v_softmax(const Decoded& d) {
    using namespace isa::v_softmax;
    int64_t nrows = extent(d, rows), ncols = extent(d, cols);
    bool init = initialises(d), masked = has(d, qpos), stored = has(d, dst);
    if (nrows == 0) return {};
    if (ncols == 0) return keep_softmax(d, nrows, init);
    Tile from = operand(d, src, nrows, ncols, isa::READ);
    Tile running = operand(d, state, nrows, 4, init ? isa::WRITE : isa::READ_WRITE);
    Tile q = masked ? operand(d, qpos, 1, nrows, isa::READ) : Tile{}, k = masked ? operand(d, kpos, 1, ncols, isa::READ) : Tile{};
    Tile to = stored ? operand(d, dst, nrows, ncols, isa::WRITE) : Tile{};
    if (options_.functional) module_->overflows += kernels().softmax(scores_of(d, from, running, to, q, k), init);
    return vector_cost(d, nrows, ncols);
}

Engine::Cost Engine::v_prob(const Decoded& d) {
    using namespace isa::v_prob;
    int64_t nrows = extent(d, rows), ncols = extent(d, cols);
    if (nrows == 0 || ncols == 0) return {};
    bool masked = has(d, qpos);
    Tile from = operand(d, src, nrows, ncols, isa::READ), final_state = operand(d, state, nrows, 4, isa::READ);
    Tile q = masked ? operand(d, qpos, 1, nrows, isa::READ) : Tile{}, k = masked ? operand(d, kpos, 1, ncols, isa::READ) : Tile{};
    Tile to = operand(d, dst, nrows, ncols, isa::WRITE);
    if (options_.functional) module_->overflows += kernels().probabilities(scores_of(d, from, final_state, to, q, k));
    return vector_cost(d, nrows, ncols);
}

Engine::Cost Engine::v_rescale(const Decoded& d) {
    using namespace isa::v_rescale;
    int64_t nrows = extent(d, rows), ncols = extent(d, cols);
    if (nrows == 0 || ncols == 0 || initialises(d)) return {};
    Tile to = operand(d, dst, nrows, ncols, isa::READ_WRITE), all = resolve(d, state, nrows, 4);
    Tile factors = {all.space, all.dtype, all.address + 8, all.pitch, nrows, 1, 4};         // the third of a row's four values
    touch(state, factors, isa::READ);
    if (options_.functional)
        kernels().zip(int(isa::ZipOp::MUL), isa::Broadcast::COL, rows_of(to), rows_of(factors), rows_of(to), nrows, ncols);
    return vector_cost(d, nrows, ncols);
}

Engine::Cost Engine::v_finish(const Decoded& d) {
    using namespace isa::v_finish;
    int64_t nrows = extent(d, rows), ncols = extent(d, cols);
    if (nrows == 0 || ncols == 0) return {};
    Tile from = operand(d, src, nrows, ncols, isa::READ), sums = operand(d, state, nrows, 4, isa::READ);
    Tile to = operand(d, dst, nrows, ncols, isa::WRITE);
    if (options_.functional) {
        Rows totals = rows_of(sums);
        totals.data += 4;               // the second of a row's four values
        module_->overflows += kernels().divide(rows_of(from), totals, rows_of(to), nrows, ncols);
    }
    return vector_cost(d, nrows, ncols);
}

}  // namespace focus
