// Passes of the systolic array, and the scatter unit after it.
#include <algorithm>

#include "../operands.h"

namespace focus {

using isa::Op;

Engine::Cost Engine::mm(const Decoded& d) { return array_pass(d); }
Engine::Cost Engine::mm_kn(const Decoded& d) { return array_pass(d); }

Engine::Cost Engine::array_pass(const Decoded& d) {
    using namespace isa::mm;        // mm.kn has the same operands
    int64_t nrows = row_count(d, count, extent(d, rows)), depth = extent(d, k), width = extent(d, n);
    if (nrows == 0 || depth == 0 || width == 0) return {};
    bool transposed = d.op == Op::mm, init = initialises(d);
    Tile x = operand(d, src, nrows, depth, isa::READ);
    Tile w = operand(d, wgt, transposed ? width : depth, transposed ? depth : width, isa::READ);
    Tile y = operand(d, dst, nrows, width, init ? isa::WRITE : isa::READ_WRITE);
    if (options_.functional) {
        kernels().stationary(data(w), w.pitch, int(depth), int(width), transposed, weights_);
        kernels().pass({data(x), x.pitch, weights_, data(y), y.pitch, nrows, int(depth), int(width), init});
    }
    int64_t macs = nrows * depth * width;
    module_->macs += macs;
    ++counters_.passes;
    return cost_of(timing::pass(machine_, nrows));
}

Engine::Cost Engine::scatter(const Decoded& d) {
    using namespace isa::scatter;
    if (!machine_.sic) fail(d, "this machine has no scatter unit");
    int64_t mapped = extent(d, rows), own = extent(d, identity), ncols = extent(d, cols);
    if (mapped + own == 0 || ncols == 0) return {};
    if (mapped && !has(d, map)) fail(d, "operand 'map' is missing for the mapped rows");
    bool init = initialises(d);
    const uint16_t* numbers = nullptr;
    int64_t unique = 0;             // rows of `src` after the identity rows; known only with data
    if (mapped) {
        Tile m = operand(d, map, 1, mapped, isa::READ);
        numbers = options_.functional ? reinterpret_cast<const uint16_t*>(data(m)) : nullptr;
        unique = unique_rows(numbers, mapped);
    }
    Tile from = resolve(d, src, own + unique, ncols);
    look_up(src, from, 0, own + (options_.functional ? unique : mapped), (own + mapped) * from.row_bytes);
    Tile to = operand(d, dst, own + mapped, ncols, init ? isa::WRITE : isa::READ_WRITE);
    if (options_.functional) {
        kernels().scatter(rows_of(from), rows_of(to), nullptr, own, ncols, init);
        kernels().scatter(rows_of(from, own), rows_of(to, own), numbers, mapped, ncols, init);
    }
    counters_.activity.scatter_rows += (own + mapped) * timing::scatter_blocks(machine_, ncols);
    return cost_of(timing::scatter(machine_, own + mapped, ncols));
}

}  // namespace focus
