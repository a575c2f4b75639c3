// Operands: what is wrong with one, and what the sanitizer and the time line get to see.  operands.h has what every instruction does.
#include "operands.h"

#include <algorithm>

namespace focus {

using isa::Access;
using isa::Space;

void Engine::refuse_extent(const Decoded& d, int index) const {
    const Extent& e = control_.extent(d.exts[index]);
    if (!e.set) fail(d, text("extent %d is used before it is set up", d.exts[index]));
    fail(d, text("extent '%s' is %lld; this machine takes at most %lld", extent_name(d.op, index), (long long)e.value,
                 (long long)most_[size_t(d.op)][size_t(index)]));
}

/// Throws for an operand that `resolve` does not take.
void Engine::refuse_operand(const Decoded& d, int mem, const Tile& t) const {
    const Agu& a = control_.agu(d.mems[mem]);
    const isa::Operand& known = isa::OPERANDS[int(d.op)][mem];
    bool off_chip = known.where == isa::Where::DRAM;
    auto problem = [&](const std::string& what) { fail(d, text("operand '%s': %s", operand_name(d.op, mem), what.c_str())); };
    if (!a.set) problem("its address generator is not set up");
    if (!(known.types >> int(a.dtype) & 1)) problem(text("element type %s is not possible here", isa::DTYPE_NAMES[int(a.dtype)]));
    if ((a.space == Space::DRAM) != off_chip) problem(off_chip ? "must be in dram" : "must be on chip");
    if (known.where == isa::Where::COUNTS && a.space != Space::COUNTS) problem("must be in counts");
    const char* name = isa::SPACE_NAMES[int(a.space)];
    long long limit = memory_.size(a.space);
    if ((a.address | (t.rows > 1 ? a.pitch : 0)) & (isa::DTYPE_BYTES[int(a.dtype)] - 1)) problem("address or row pitch is not a multiple of the element size");
    if (t.rows * t.row_bytes > limit)
        problem(text("%lld rows of %lld bytes are more than %s has, %lld", (long long)t.rows, (long long)t.row_bytes, name, limit));
    fail(d, text("operand '%s': out of bounds: bytes %lld..%lld of %s, which has %lld", operand_name(d.op, mem), (long long)a.address,
                 (long long)(a.address + (t.rows - 1) * t.pitch + t.row_bytes), name, limit));
}

/// Shows an access to the sanitizer and the time line.
void Engine::show(int mem, const Tile& t, Access access) {
    if (t.rows * t.row_bytes == 0) return;
    if (recording_)
        counters_.touched.push_back({int64_t(counters_.timeline.size()), mem, int64_t(t.space), t.address, t.pitch, t.rows, t.row_bytes, access});
    if (sanitizer_) sanitizer_->access(mem, {t.space, t.address, t.pitch, t.rows, t.row_bytes}, access);
}

void Engine::refuse_count(const Decoded& d, int mem, int64_t count, int64_t rows) const {
    fail(d, text("operand '%s' says %lld rows, more than the extent's %lld", operand_name(d.op, mem), (long long)count, (long long)rows));
}

}  // namespace focus
