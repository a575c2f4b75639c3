// What every instruction does with its operands: the address and shape that generators give, checked against the memory, and counted.
#pragma once
#include <cstring>

#include "engine.h"

namespace focus {

inline int64_t Engine::extent(const Decoded& d, int index) const {
    const Extent& e = control_.extent(d.exts[index]);
    if (!e.set || e.value > most_[size_t(d.op)][size_t(index)]) refuse_extent(d, index);
    return e.value;
}

/// Address and shape of an operand, checked against its memory.  Rows may overlap: every instruction is bounded by the memories all the same.
inline Engine::Tile Engine::resolve(const Decoded& d, int mem, int64_t rows, int64_t cols) {
    const Agu& a = control_.agu(d.mems[mem]);
    const isa::Operand& known = isa::OPERANDS[int(d.op)][mem];
    bool off_chip = known.where == isa::Where::DRAM;
    int64_t size = isa::DTYPE_BYTES[int(a.dtype)], row_bytes = cols * size, limit = memory_.size(a.space);
    int64_t span = rows > 0 && cols > 0 ? (rows - 1) * a.pitch + row_bytes : 0;
    Tile t = {a.space, a.dtype, a.address, a.pitch, rows, cols, row_bytes};
    bool kind = a.set && known.types >> int(a.dtype) & 1 && (a.space == isa::Space::DRAM) == off_chip &&
                (known.where != isa::Where::COUNTS || a.space == isa::Space::COUNTS);
    bool aligned = !((a.address | (rows > 1 ? a.pitch : 0)) & (size - 1));
    bool inside = rows * row_bytes <= limit && (span <= 0 || (a.address >= 0 && span <= limit && a.address <= limit - span));
    if (!(kind && aligned && inside)) refuse_operand(d, mem, t);
    if (replays_) memo_.bound(mem, span > 0 ? limit - span : -1, size);
    if (off_chip && options_.functional) memory_.grow(a.address + span);
    return t;
}

/// Resolves an operand of which every element is read and/or written.
inline Engine::Tile Engine::operand(const Decoded& d, int mem, int64_t rows, int64_t cols, isa::Access access) {
    Tile t = resolve(d, mem, rows, cols);
    touch(mem, t, access);
    return t;
}

/// Counts an access and shows it to the sanitizer.
inline void Engine::touch(int mem, const Tile& t, isa::Access access) {
    int64_t bytes = t.rows * t.row_bytes;
    moves(bytes);
    Traffic& traffic = module_->sram[size_t(t.space)];
    if (access & isa::READ) traffic.read += bytes;
    if (access & isa::WRITE) traffic.write += bytes;
    if (seen_) show(mem, t, access);
}

/// Rows that are looked up by number, some several times: counts `bytes`, and shows `rows` rows from `first` on, which is as far as is known.
inline void Engine::look_up(int mem, Tile t, int64_t first, int64_t rows, int64_t bytes) {
    module_->sram[size_t(t.space)].read += bytes;
    t.address += first * t.pitch;
    t.rows = rows;
    if (seen_) show(mem, t, isa::READ);
}

/// An operand is going to read or write that many bytes.
inline void Engine::moves(int64_t bytes) {
    if (options_.functional && (moved_ += bytes) >= poll_moved_) poll();
}

/// `rows`, or what the count memory says (at most `rows`) when operand `mem` is there.
inline int64_t Engine::row_count(const Decoded& d, int mem, int64_t rows) {
    if (!has(d, mem) || rows == 0) return rows;
    Tile t = operand(d, mem, 1, 1, isa::READ);
    uint16_t count;
    std::memcpy(&count, data(t), 2);
    if (count > rows) refuse_count(d, mem, count, rows);
    return count;
}

}  // namespace focus
