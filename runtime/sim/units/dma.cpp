// Loads and stores: contiguous, by number, and by similarity map.  What they move, and how many bytes of bus time they take.
#include <algorithm>
#include <cstring>
#include <numeric>

#include "../operands.h"

namespace focus {

using isa::DType;
using isa::Space;

Engine::Cost Engine::load(const Decoded& d) { return dma(d); }
Engine::Cost Engine::store(const Decoded& d) { return dma(d); }

Engine::Cost Engine::dma(const Decoded& d) {
    using namespace isa::load;      // store has the same operands
    bool load = d.op == isa::Op::load;
    int64_t nrows = row_count(d, count, extent(d, rows)), ncols = extent(d, cols);
    if (nrows == 0 || ncols == 0) return {0, 0, 0};
    Tile from = operand(d, src, nrows, ncols, isa::READ);
    Tile to = operand(d, dst, nrows, ncols, isa::WRITE);
    check_moved(d, from, to);
    if (options_.functional) copy_rows(d, from, to);
    return transfer(isa::Stream(d.enums[stream]), bursts(load ? from : to), load);
}

/// A DMA does not convert.
void Engine::check_moved(const Decoded& d, const Tile& from, const Tile& to) const {
    if (from.dtype != to.dtype) fail(d, "operands 'src' and 'dst' have different element types");
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
    int64_t period = pieces == 1 ? 1 : std::min(pieces, burst / std::gcd(burst, t.pitch)), total = 0;   // after which pieces lie alike in their bursts
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
    Tile list = operand(d, ids, 1, nrows, isa::READ), to = operand(d, dst, nrows, ncols, isa::WRITE);
    Tile from = resolve(d, src, 1, ncols);
    check_moved(d, from, to);
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
    Tile m = operand(d, map, 1, mapped, isa::READ);
    const uint16_t* numbers = options_.functional ? reinterpret_cast<const uint16_t*>(data(m)) : nullptr;
    int64_t unique = unique_rows(numbers, mapped);
    Tile from = resolve(d, src, own + unique, ncols);
    look_up(src, from, own, options_.functional ? unique : mapped, mapped * from.row_bytes);
    Tile to = operand(d, dst, mapped, ncols, isa::WRITE);
    check_moved(d, from, to);
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

}  // namespace focus
