// What a run did, for the report: cycles, traffic, and uses of the units, in all and by module.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "clock.h"
#include "isa.gen.h"

namespace focus {

struct Traffic { int64_t read = 0, write = 0; };

/// Uses of the vector unit's lanes and of the other units' data paths, for the energy report.
struct Activity {
    int64_t exp = 0, multiply = 0, add = 0, sqrt = 0, reciprocal = 0;
    int64_t sic_pairs = 0, sic_vectors = 0, scatter_rows = 0, sec_maxima = 0;
};

struct ModuleCounters {
    int64_t ticks = 0;                      // growth of the completion frontier
    int64_t macs = 0, dram_bytes = 0, instructions = 0;
    int64_t overflows = 0, nonfinite = 0;
    std::array<int64_t, isa::NUM_UNIT> busy{};
    std::array<int64_t, NUM_STALLS> waits{};        // of the array since its kernel began, by reason
    std::array<Traffic, isa::NUM_SPACE> sram{};
    Traffic layouter;
    Activity activity;                      // of the vector unit's lanes
};

/// Calls f(a's counter, b's counter) for each counter.
template <class F>
void each(Traffic& a, const Traffic& b, F f) { f(a.read, b.read), f(a.write, b.write); }
template <class F>
void each(Activity& a, const Activity& b, F f) {
    f(a.exp, b.exp), f(a.multiply, b.multiply), f(a.add, b.add), f(a.sqrt, b.sqrt), f(a.reciprocal, b.reciprocal);
    f(a.sic_pairs, b.sic_pairs), f(a.sic_vectors, b.sic_vectors), f(a.scatter_rows, b.scatter_rows), f(a.sec_maxima, b.sec_maxima);
}
template <class F>
void each(ModuleCounters& a, const ModuleCounters& b, F f) {
    f(a.ticks, b.ticks), f(a.macs, b.macs), f(a.dram_bytes, b.dram_bytes), f(a.instructions, b.instructions);
    for (size_t u = 0; u < a.busy.size(); ++u) f(a.busy[u], b.busy[u]);
    for (size_t k = 0; k < a.waits.size(); ++k) f(a.waits[k], b.waits[k]);
    for (size_t i = 0; i < a.sram.size(); ++i) each(a.sram[i], b.sram[i], f);
    each(a.layouter, b.layouter, f);
    each(a.activity, b.activity, f);
}
constexpr auto subtract = [](int64_t& a, int64_t b) { a -= b; };

/// An instruction on the time line, in ticks: how long its unit waited for it, why, and for which event's signal (-1: none, or one that is not on
/// the time line); the bytes it moved from or to DRAM.
struct Event { int64_t unit, instruction, start, finish, waited, why, signalled_by, dram_bytes; };

/// What an operand of an event reads or writes: `rows` rows of `row_bytes`.
struct Touched { int64_t event, operand, space, address, pitch, rows, row_bytes, access; };

struct Counters {
    int64_t ticks = 0, instructions = 0, passes = 0;
    int64_t macs = 0;                       // like sram, summed over the modules when the run ends
    std::array<int64_t, isa::NUM_OPS> by_op{};
    std::array<UnitState, isa::NUM_UNIT> units;
    std::array<Traffic, isa::NUM_STREAM> dram{};
    std::array<Traffic, isa::NUM_SPACE> sram{};
    Traffic layouter;
    Activity activity;
    std::vector<ModuleCounters> modules;
    std::vector<Event> timeline;
    std::vector<Touched> touched;           // by the events of the time line

    void sum_modules() {
        for (const ModuleCounters& m : modules) {
            macs += m.macs;
            for (size_t s = 0; s < sram.size(); ++s) sram[s].read += m.sram[s].read, sram[s].write += m.sram[s].write;
        }
    }
};

/// What executing something adds to the counters, its module's among them.
struct Effects {
    int64_t passes = 0;
    std::array<Traffic, isa::NUM_STREAM> dram{};
    Traffic layouter;
    Activity activity;
    ModuleCounters module;

    static Effects of(const Counters& c, const ModuleCounters& module) { return {c.passes, c.dram, c.layouter, c.activity, module}; }
    /// What was added since.
    Effects operator-(const Effects& before) const {
        Effects out = *this;
        out.passes -= before.passes;
        for (size_t i = 0; i < dram.size(); ++i) each(out.dram[i], before.dram[i], subtract);
        each(out.layouter, before.layouter, subtract);
        each(out.activity, before.activity, subtract);
        each(out.module, before.module, subtract);
        return out;
    }
    /// Adds it so many times.
    void add_to(Counters& c, ModuleCounters& of, int64_t times) const {
        auto add = [times](int64_t& a, int64_t b) { a += times * b; };
        c.passes += times * passes;
        for (size_t i = 0; i < dram.size(); ++i) each(c.dram[i], dram[i], add);
        each(c.layouter, layouter, add);
        each(c.activity, activity, add);
        each(of, module, add);
    }
};

}  // namespace focus
