// Operands: the address and shape that generators give, checked against the memory, counted, and shown to the sanitizer.
#include <algorithm>
#include <cstring>

#include "engine.h"

namespace focus {

using isa::Access;
using isa::Space;

int64_t Engine::extent(const Decoded& d, int index) const {
    const Extent& e = control_.extent(d.exts[index]);
    if (!e.set) fail(d, text("extent %d is used before it is set up", d.exts[index]));
    if (e.value > machine_.most(isa::MOST[int(d.op)][index]))
        fail(d, text("extent '%s' is %lld; this machine takes at most %lld", extent_name(d.op, index), (long long)e.value,
                     (long long)machine_.most(isa::MOST[int(d.op)][index])));
    return e.value;
}

/// Address and shape of an operand, checked against its memory.
Engine::Tile Engine::resolve(const Decoded& d, int mem, int64_t rows, int64_t cols) {
    const Agu& a = control_.agu(d.mems[mem]);
    const isa::Operand& known = isa::OPERANDS[int(d.op)][mem];
    bool off_chip = known.where == isa::Where::DRAM;
    auto problem = [&](const char* what) { fail(d, text("operand '%s': %s", operand_name(d.op, mem), what)); };
    if (!a.set) problem("its address generator is not set up");
    if (!(known.types >> int(a.dtype) & 1)) problem(text("element type %s is not possible here", isa::DTYPE_NAMES[int(a.dtype)]).c_str());
    if ((a.space == Space::DRAM) != off_chip) problem(off_chip ? "must be in dram" : "must be on chip");
    if (known.where == isa::Where::COUNTS && a.space != Space::COUNTS) problem("must be in counts");
    int64_t size = isa::DTYPE_BYTES[int(a.dtype)], row_bytes = cols * size;
    Tile t = {a.space, a.dtype, a.address, a.pitch, rows, cols, row_bytes};
    if ((a.address | (rows > 1 ? a.pitch : 0)) & (size - 1)) problem("address or row pitch is not a multiple of the element size");
    if (rows * row_bytes > memory_.size(a.space))           // rows that overlap: every instruction is bounded by the memories
        problem(text("%lld rows of %lld bytes are more than %s has, %lld", (long long)rows, (long long)row_bytes, isa::SPACE_NAMES[int(a.space)],
                     (long long)memory_.size(a.space)).c_str());
    int64_t span = rows > 0 && cols > 0 ? (rows - 1) * a.pitch + row_bytes : 0, limit = memory_.size(a.space);
    if (span > 0 && (a.address < 0 || span > limit || a.address > limit - span))
        problem(text("out of bounds: bytes %lld..%lld of %s, which has %lld", (long long)a.address, (long long)(a.address + span),
                     isa::SPACE_NAMES[int(a.space)], (long long)limit).c_str());
    if (off_chip && options_.functional) memory_.grow(a.address + span);
    return t;
}

/// Resolves an operand of which every element is read and/or written.
Engine::Tile Engine::operand(const Decoded& d, int mem, int64_t rows, int64_t cols, Access access) {
    Tile t = resolve(d, mem, rows, cols);
    touch(mem, t, access);
    return t;
}

/// Counts an access and shows it to the sanitizer.
void Engine::touch(int mem, const Tile& t, Access access) {
    int64_t bytes = t.rows * t.row_bytes;
    moves(bytes);
    for (Traffic* traffic : {&counters_.sram[size_t(t.space)], &module_->sram[size_t(t.space)]}) {
        if (access & isa::READ) traffic->read += bytes;
        if (access & isa::WRITE) traffic->write += bytes;
    }
    show(mem, t, access);
}

/// Shows an access to the sanitizer and the time line.
void Engine::show(int mem, const Tile& t, Access access) {
    if (t.rows * t.row_bytes == 0) return;
    if (recording_)
        counters_.touched.push_back({int64_t(counters_.timeline.size()), mem, int64_t(t.space), t.address, t.pitch, t.rows, t.row_bytes, access});
    if (sanitizer_) sanitizer_->access(mem, {t.space, t.address, t.pitch, t.rows, t.row_bytes}, access);
}

/// Rows that are looked up by number, some several times: counts `bytes`, and shows `rows` rows from `first` on, which is as far as is known.
void Engine::look_up(int mem, Tile t, int64_t first, int64_t rows, int64_t bytes) {
    counters_.sram[size_t(t.space)].read += bytes;
    module_->sram[size_t(t.space)].read += bytes;
    t.address += first * t.pitch;
    t.rows = rows;
    show(mem, t, isa::READ);
}

/// `rows`, or what the count memory says (at most `rows`) when operand `mem` is there.
int64_t Engine::row_count(const Decoded& d, int mem, int64_t rows) {
    if (!has(d, mem) || rows == 0) return rows;
    Tile t = operand(d, mem, 1, 1, isa::READ);
    uint16_t count;
    std::memcpy(&count, data(t), 2);
    if (count > rows) fail(d, text("operand '%s' says %d rows, more than the extent's %lld", operand_name(d.op, mem), count, (long long)rows));
    return count;
}

}  // namespace focus
