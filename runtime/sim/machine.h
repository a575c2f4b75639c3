// The figures of the machine description that decide time and space (see focus/runtime/spec/machine.py).
#pragma once
#include <cstdint>

#include "isa.gen.h"

namespace focus {

/// Times are in ticks: 2^16 of them make a cycle, so that DRAM transfers need not end on a cycle.
constexpr int TICK_BITS = 16;
constexpr int64_t CYCLE = int64_t(1) << TICK_BITS;
inline int64_t whole_cycles(int64_t ticks) { return (ticks + CYCLE - 1) & ~(CYCLE - 1); }
inline int64_t ceil_div(int64_t a, int64_t b) { return (a + b - 1) / b; }

enum class ArrayRule { SHADOW, SCALESIM, RTL };

struct Machine {
    ArrayRule rule;
    int rows, cols;
    int64_t weight_load, fill, scalesim_overhead, rtl_overhead;
    double bytes_per_cycle;
    int64_t dram_latency, burst_bytes;
    int64_t bytes[isa::NUM_SPACE];      // capacity of each memory; of a part of the scratchpad, the most that a kernel may give it
    int64_t scratchpad, bank;           // bytes of the memory that kernels part (0: there is none), and of a bank
    bool part[isa::NUM_SPACE];          // whether a memory is a part of it
    int queue_depth;
    int64_t lanes_exp, lanes_multiply, lanes_add, lanes_sqrt, lanes_reciprocal, sfu_latency;
    bool sic, sec;
    int64_t cycles_per_candidate, cycles_per_identity_row, scatter_per_cycle, sic_lanes;
    int64_t vector;                     // most elements of a vector of the similarity concentrator
    int64_t maxima_per_cycle, topk_passes, select_per_cycle;

    /// The bound of an extent.
    int64_t most(isa::Most what) const {
        switch (what) {
            case isa::Most::ROWS: return rows;
            case isa::Most::COLS: return cols;
            case isa::Most::VECTOR: return vector;
            default: return INT64_MAX;
        }
    }
};

}  // namespace focus
