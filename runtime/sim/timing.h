// How many cycles an instruction takes on a machine.  The one statement of it: the simulator calls these functions, and Python reads them
// through focus/runtime/spec/timing.py (the compiler's cost model, tests).  docs/machine.md explains the rules.
#pragma once
#include <algorithm>
#include <cstdint>

#include "machine.h"

namespace focus::timing {

/// For how many cycles an instruction keeps its unit, and after how many its result is there.
struct Span { int64_t occupied, finish; };

inline Span whole(int64_t cycles) { return {cycles, cycles}; }

/// One pass of `rows` rows through one weight tile; nothing for none.
inline Span pass(const Machine& m, int64_t rows) {
    if (rows == 0) return {0, 0};
    if (m.rule == ArrayRule::SHADOW) {
        int64_t occupied = std::max(rows, m.weight_load);
        return {occupied, std::max(occupied, rows + m.fill)};
    }
    return whole(rows + (m.rule == ArrayRule::SCALESIM ? m.scalesim_overhead : m.rtl_overhead));
}

/// Accumulators are as wide as the array: that many of `cols` columns per step, of `scatter_per_cycle` rows.
inline int64_t scatter_blocks(const Machine& m, int64_t cols) { return ceil_div(cols, m.cols); }
inline int64_t scatter(const Machine& m, int64_t rows, int64_t cols) { return ceil_div(rows, m.scatter_per_cycle) * scatter_blocks(m, cols); }

/// `visual` vectors of `cols` elements, each compared with the members of a block; `identity` rows are only copied.  A vector longer than the
/// unit has lanes takes as many steps as it fills the lanes.
inline int64_t sic_gather(const Machine& m, int64_t visual, int64_t identity, int64_t block, int64_t cols) {
    return (visual * block * m.cycles_per_candidate + identity * m.cycles_per_identity_row) * ceil_div(cols, m.sic_lanes);
}

inline int64_t sec_importance(const Machine& m, int64_t rows, int64_t cols) { return ceil_div(rows * cols, m.maxima_per_cycle); }
inline int64_t sec_topk(const Machine& m, int64_t candidates) { return ceil_div(candidates, m.maxima_per_cycle) * m.topk_passes; }
inline int64_t sec_select(const Machine& m, int64_t keep) { return ceil_div(keep, m.select_per_cycle); }

/// Uses of the vector unit's lanes by an instruction on rows x cols; `value` of the enumeration its work names, `extra` operand there or not.
inline isa::Lanes lanes(const isa::Work& w, int value, bool extra, int64_t rows, int64_t cols) {
    isa::Lanes total{};
    auto add = [&](const isa::Lanes& l, int64_t times) {
        total.exp += times * l.exp, total.multiply += times * l.multiply, total.add += times * l.add;
        total.sqrt += times * l.sqrt, total.reciprocal += times * l.reciprocal;
    };
    add(w.element, rows * cols);
    add(w.row, rows);
    if (w.by >= 0) add(w.by_value[value], rows * cols);
    if (extra) add(w.extra, rows * cols);
    return total;
}

/// The kind of lane that is busiest decides, and the pipeline's length is added.
inline int64_t vector(const Machine& m, const isa::Lanes& u) {
    return m.sfu_latency + std::max({ceil_div(u.exp, m.lanes_exp), ceil_div(u.multiply, m.lanes_multiply), ceil_div(u.add, m.lanes_add),
                                     ceil_div(u.sqrt, m.lanes_sqrt), ceil_div(u.reciprocal, m.lanes_reciprocal)});
}

/// Ticks of bus time that a transfer takes; its data is there `dram_latency` cycles after the last.
inline int64_t bus_ticks(const Machine& m, int64_t bytes) { return int64_t(double(bytes) * (double(CYCLE) / m.bytes_per_cycle) + 0.5); }

}  // namespace focus::timing
