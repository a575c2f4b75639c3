// DMA, array, scatter and semantic concentrator: what each instruction does, moves and costs.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "engine.h"

namespace focus {

using isa::DType;
using isa::Op;
using isa::Space;

Engine::Cost Engine::execute(const Decoded& d) {
    switch (d.op) {
        case Op::sync: return {};
        case Op::load: return dma(d, true);
        case Op::store: return dma(d, false);
        case Op::expand: return expand(d);
        case Op::gather: return gather(d);
        case Op::mm: case Op::mm_kn: return array_pass(d);
        case Op::scatter: return scatter(d);
        case Op::sic_gather: return sic_gather(d);
        case Op::sec_importance: return sec_importance(d);
        case Op::sec_topk: return sec_topk(d);
        case Op::sec_select: return sec_select(d);
        case Op::v_map: return v_map(d);
        case Op::v_zip: return v_zip(d);
        case Op::v_reduce: return v_reduce(d);
        case Op::v_stats: return v_stats(d);
        case Op::v_normalize: return v_normalize(d);
        case Op::v_rope: return v_rope(d);
        case Op::v_softmax: return v_softmax(d);
        case Op::v_prob: return v_prob(d);
        case Op::v_rescale: return v_rescale(d);
        case Op::v_finish: return v_finish(d);
        default: fail(d, "no execution for this instruction");
    }
}

// ---- DMA -------------------------------------------------------------------------------------------------------------

Engine::Cost Engine::dma(const Decoded& d, bool load) {
    using namespace isa::load;      // store has the same operands
    int64_t nrows = row_count(d, count, extent(d, rows)), ncols = extent(d, cols);
    if (nrows == 0 || ncols == 0) return {0, 0, 0};
    Tile from = operand(d, src, nrows, ncols, isa::READ, ANY, load ? OFF_CHIP : ON_CHIP);
    Tile to = operand(d, dst, nrows, ncols, isa::WRITE, ANY, load ? ON_CHIP : OFF_CHIP);
    if (from.dtype != to.dtype) fail(d, "operands 'src' and 'dst' have different element types");
    if (options_.functional) copy_rows(d, from, to);
    return transfer(isa::Stream(d.enums[stream]), bursts(load ? from : to), load);
}

/// NaNs and infinities that come in are allowed, and reported.
void Engine::copy_rows(const Decoded& d, const Tile& src, const Tile& dst) {
    bool whole = src.pitch == src.row_bytes && dst.pitch == dst.row_bytes;
    int64_t nonfinite = kernels().copy(rows_of(src), rows_of(dst), whole ? 1 : src.rows, whole ? src.rows * src.cols : src.cols);
    if (d.unit == isa::Unit::LOAD) module_->nonfinite += nonfinite;
}

/// Bytes on the bus: whole bursts touched by each contiguous piece.
int64_t Engine::bursts(const Tile& t) const {
    int64_t burst = machine_.burst_bytes;
    int64_t pieces = t.rows, bytes = t.row_bytes;
    if (t.pitch == t.row_bytes) pieces = 1, bytes *= t.rows;
    if (burst == 1) return pieces * bytes;
    int64_t period = std::min(pieces, burst / std::gcd(burst, t.pitch)), total = 0;    // after which pieces lie alike in their bursts
    for (int64_t i = 0; i < period; ++i) {
        int64_t begin = t.address + i * t.pitch;
        int64_t touched = (begin + bytes - 1) / burst - begin / burst + 1;
        total += touched * ((pieces - i + period - 1) / period);
    }
    return total * burst;
}

Engine::Cost Engine::transfer(isa::Stream stream, int64_t bytes, bool load) {
    Traffic& traffic = counters_.dram[size_t(stream)];
    (load ? traffic.read : traffic.write) += bytes;
    module_->dram_bytes += bytes;
    return {0, 0, bytes};
}

/// Rows by number.  Which rows is not known without data, so each counts as many bursts as row 0 touches.
Engine::Cost Engine::gather(const Decoded& d) {
    using namespace isa::gather;
    int64_t nrows = extent(d, rows), ncols = extent(d, cols);
    if (nrows == 0 || ncols == 0) return {0, 0, 0};
    Tile list = operand(d, ids, 1, nrows, isa::READ, I32), to = operand(d, dst, nrows, ncols, isa::WRITE, ANY);
    Tile from = resolve(d, src, 1, ncols, ANY, OFF_CHIP);
    if (from.dtype != to.dtype) fail(d, "operands 'src' and 'dst' have different element types");
    if (options_.functional) {
        int64_t limit = memory_.size(Space::DRAM);
        for (int64_t r = 0; r < nrows; ++r) {
            int64_t id = reinterpret_cast<const int32_t*>(data(list))[r];
            int64_t begin = from.address + id * from.pitch;
            if (id < 0 || begin + from.row_bytes > limit) fail(d, text("operand 'ids': row %lld is outside dram", (long long)id));
            memory_.grow(begin + from.row_bytes);
            if (sanitizer_) sanitizer_->access(src, {Space::DRAM, begin, from.pitch, 1, from.row_bytes}, isa::READ);
            module_->nonfinite += kernels().copy({memory_.at(Space::DRAM, begin), from.pitch, from.dtype}, rows_of(to, r), 1, ncols);
        }
    }
    return transfer(isa::Stream(d.enums[stream]), bursts(from) * nrows, true);
}

/// The rows that a map names, from a compact slice to DRAM.
Engine::Cost Engine::expand(const Decoded& d) {
    using namespace isa::expand;
    if (!machine_.sic) fail(d, "this machine has no similarity maps");
    int64_t mapped = extent(d, rows), own = extent(d, identity), ncols = extent(d, cols);
    if (mapped == 0 || ncols == 0) return {0, 0, 0};
    Tile m = operand(d, map, 1, mapped, isa::READ, U16);
    const uint16_t* numbers = options_.functional ? reinterpret_cast<const uint16_t*>(data(m)) : nullptr;
    int64_t unique = unique_rows(numbers, mapped);
    Tile from = resolve(d, src, own + unique, ncols, ANY);
    counters_.sram[size_t(from.space)].read += mapped * from.row_bytes;
    if (sanitizer_ && unique)
        sanitizer_->access(src, {from.space, from.address + own * from.pitch, from.pitch, unique, from.row_bytes}, isa::READ);
    Tile to = operand(d, dst, mapped, ncols, isa::WRITE, ANY, OFF_CHIP);
    if (from.dtype != to.dtype) fail(d, "operands 'src' and 'dst' have different element types");
    for (int64_t t = 0; numbers && t < mapped; ++t) {
        if (numbers[t] == isa::UNMAPPED) std::memset(data(to, t), 0, size_t(to.row_bytes));
        else std::memcpy(data(to, t), data(from, own + numbers[t]), size_t(to.row_bytes));
    }
    return transfer(isa::Stream(d.enums[stream]), bursts(to), false);
}

/// Unique vectors that a map names; 0 without data.
int64_t Engine::unique_rows(const uint16_t* map, int64_t rows) {
    int64_t unique = 0;
    for (int64_t t = 0; map && t < rows; ++t)
        if (map[t] != isa::UNMAPPED) unique = std::max<int64_t>(unique, map[t] + 1);
    return unique;
}

// ---- array and scatter -----------------------------------------------------------------------------------------------

Engine::Cost Engine::array_pass(const Decoded& d) {
    using namespace isa::mm;        // mm.kn has the same operands
    int64_t nrows = row_count(d, count, extent(d, rows)), depth = extent(d, k), width = extent(d, n);
    if (nrows == 0 || depth == 0 || width == 0) return {};
    if (depth > machine_.rows || width > machine_.cols)
        fail(d, text("a %lld x %lld weight tile does not fit the %d x %d array", (long long)depth, (long long)width, machine_.rows, machine_.cols));
    bool transposed = d.op == Op::mm, init = initialises(d);
    Tile x = operand(d, src, nrows, depth, isa::READ, F16);
    Tile w = operand(d, wgt, transposed ? width : depth, transposed ? depth : width, isa::READ, F16);
    Tile y = operand(d, dst, nrows, width, init ? isa::WRITE : isa::READ_WRITE, F32);
    if (options_.functional) {
        kernels().stationary(data(w), w.pitch, int(depth), int(width), transposed, weights_);
        kernels().pass({data(x), x.pitch, weights_, data(y), y.pitch, nrows, int(depth), int(width), init});
    }
    int64_t macs = nrows * depth * width;
    counters_.macs += macs;
    module_->macs += macs;
    ++counters_.passes;
    switch (machine_.rule) {
        case ArrayRule::SHADOW: {
            int64_t occupied = std::max(nrows, machine_.weight_load);
            return {occupied * CYCLE, std::max(occupied, nrows + machine_.fill) * CYCLE};
        }
        case ArrayRule::SCALESIM: return {(nrows + machine_.scalesim_overhead) * CYCLE, (nrows + machine_.scalesim_overhead) * CYCLE};
        default: return {(nrows + machine_.rtl_overhead) * CYCLE, (nrows + machine_.rtl_overhead) * CYCLE};
    }
}

Engine::Cost Engine::scatter(const Decoded& d) {
    using namespace isa::scatter;
    if (!machine_.sic) fail(d, "this machine has no scatter unit");
    int64_t mapped = extent(d, rows), own = extent(d, identity), ncols = extent(d, cols);
    if (mapped + own == 0 || ncols == 0) return {};
    if (mapped && !has(d, map)) fail(d, "operand 'map' is missing for the mapped rows");
    bool init = initialises(d);
    const uint16_t* numbers = nullptr;
    int64_t unique = 0;             // rows of `src` behind the identity rows; known only with data
    if (mapped) {
        Tile m = operand(d, map, 1, mapped, isa::READ, U16);
        numbers = options_.functional ? reinterpret_cast<const uint16_t*>(data(m)) : nullptr;
        unique = unique_rows(numbers, mapped);
    }
    Tile from = resolve(d, src, own + unique, ncols, F32);
    counters_.sram[size_t(from.space)].read += (own + mapped) * from.row_bytes;
    if (sanitizer_) sanitizer_->access(src, {from.space, from.address, from.pitch, from.rows, from.row_bytes}, isa::READ);
    Tile to = operand(d, dst, own + mapped, ncols, init ? isa::WRITE : isa::READ_WRITE, F32);
    if (options_.functional) {
        kernels().scatter(rows_of(from), rows_of(to), nullptr, own, ncols, init);
        kernels().scatter(rows_of(from, own), rows_of(to, own), numbers, mapped, ncols, init);
    }
    int64_t blocks = ceil_div(ncols, LANES);
    counters_.activity.scatter_rows += (own + mapped) * blocks;
    int64_t cycles = ceil_div(own + mapped, machine_.scatter_per_cycle) * blocks;
    return {cycles * CYCLE, cycles * CYCLE};
}

// ---- semantic concentrator -------------------------------------------------------------------------------------------

Engine::Cost Engine::sec_importance(const Decoded& d) {
    using namespace isa::sec_importance;
    if (!machine_.sec) fail(d, "this machine has no semantic concentrator");
    int64_t nrows = extent(d, rows), ncols = extent(d, cols);
    if (nrows == 0 || ncols == 0) return {};
    bool init = initialises(d);
    Tile p = operand(d, src, nrows, ncols, isa::READ, F32);
    Tile best = operand(d, dst, 1, ncols, init ? isa::WRITE : isa::READ_WRITE, F32);
    if (options_.functional) {
        float* out = reinterpret_cast<float*>(data(best));
        if (init) std::fill_n(out, ncols, 0.0f);
        for (int64_t r = 0; r < nrows; ++r)
            kernels().zip(int(isa::ZipOp::MAX), isa::Broadcast::FULL, rows_of(best), rows_of(p, r), rows_of(best), 1, ncols);
    }
    counters_.activity.sec_maxima += nrows * ncols;
    int64_t cycles = ceil_div(nrows * ncols, machine_.maxima_per_cycle);
    return {cycles * CYCLE, cycles * CYCLE};
}

Engine::Cost Engine::sec_topk(const Decoded& d) {
    using namespace isa::sec_topk;
    if (!machine_.sec) fail(d, "this machine has no semantic concentrator");
    int64_t candidates = extent(d, n), keep = extent(d, k);
    if (candidates == 0 || keep == 0) return {};
    if (keep > candidates) fail(d, text("keeps %lld of %lld candidates", (long long)keep, (long long)candidates));
    Tile from = operand(d, src, 1, candidates, isa::READ, F32), to = operand(d, dst, 1, keep, isa::WRITE, I32);
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
    int64_t cycles = ceil_div(candidates, machine_.maxima_per_cycle) * machine_.topk_passes;
    return {cycles * CYCLE, cycles * CYCLE};
}

Engine::Cost Engine::sec_select(const Decoded& d) {
    using namespace isa::sec_select;
    if (!machine_.sec) fail(d, "this machine has no semantic concentrator");
    int64_t length = extent(d, n), keep = extent(d, k);
    if (length == 0 || keep == 0) return {};
    Tile from = resolve(d, src, 1, length, I32);
    counters_.sram[size_t(from.space)].read += keep * 4;
    if (sanitizer_) sanitizer_->access(src, {from.space, from.address, from.pitch, 1, from.row_bytes}, isa::READ);
    Tile chosen = operand(d, sel, 1, keep, isa::READ, I32), to = operand(d, dst, 1, keep, isa::WRITE, I32);
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
    int64_t cycles = ceil_div(keep, machine_.select_per_cycle);
    return {cycles * CYCLE, cycles * CYCLE};
}

}  // namespace focus
