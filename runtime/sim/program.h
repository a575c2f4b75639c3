// The program, decoded once before it runs.
#pragma once
#include <array>
#include <cstddef>
#include <cstdint>
#include <vector>

#include "isa.gen.h"

namespace focus {

/// One instruction with its fields taken apart.  Operands are indexed by the constants of isa.gen.h (isa::mm::src, ...).
struct Decoded {
    isa::Op op;
    isa::Unit unit;                 // in whose queue it stands
    uint8_t num_waits = 0, num_signals = 0, num_mems = 0;
    uint8_t wait[3], wait_depth[3], signal[3], signal_depth[3];
    uint8_t mems[isa::MAX_MEMS], exts[isa::MAX_EXTS], enums[2], scalars[2];
    uint8_t init = isa::ALWAYS;
    uint32_t source = 0;            // module
    uint32_t target = 0;            // loop: instruction after its endloop; endloop: first of the body; others: next loop, endloop, ext, ext.step or halt
    std::array<int64_t, 6> values;  // control instructions and the site of sic.gather
};

struct Program {
    std::vector<Decoded> text;
    uint32_t num_modules = 0;

    /// Decodes and checks what can be checked without running: opcodes, reserved bits, enumerations, operands, loop nesting and
    /// the final halt.  `words` holds n x 16 bytes, `source` the module of each.  Throws Error naming the instruction.
    static Program decode(const uint8_t* words, const uint32_t* source, size_t n);
};

/// The table entry of a decoded instruction.
inline const isa::Instruction& info(const Decoded& d) { return isa::TABLE[int(d.op)]; }

/// Name of the index-th memory operand, and of the index-th extent.
const char* operand_name(isa::Op op, int index);
const char* extent_name(isa::Op op, int index);

}  // namespace focus
