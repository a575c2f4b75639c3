// When things happen: an instruction waits in its unit's queue for credits and for the bus, and signals when it has finished.
#include "clock.h"

#include <algorithm>

#include "operands.h"

namespace focus {

using isa::Unit;

namespace {

/// Why a unit waits when it waits for a credit of that unit.
constexpr std::array<Stall, isa::NUM_UNIT> STALL_OF = [] {
    std::array<Stall, isa::NUM_UNIT> out{};
    for (Stall& s : out) s = SEMAPHORE_STALL;
    out[size_t(Unit::LOAD)] = out[size_t(Unit::STORE)] = DRAM_STALL;
    out[size_t(Unit::SCATTER)] = SCATTER_STALL;
    out[size_t(Unit::SIC)] = SIC_STALL;
    out[size_t(Unit::SFU)] = SFU_STALL;
    return out;
}();

}  // namespace

void Semaphore::grow() {
    std::vector<Credit> bigger(ring_.size() * 2);
    for (uint32_t i = 0; i < count_; ++i) bigger[i] = ring_[(first_ + i) & (ring_.size() - 1)];
    ring_ = std::move(bigger);
    first_ = 0;
}

/// What an instruction takes in a run without data, executed or known from before.
inline Cost Engine::outcome(const Decoded& d) {
    Memo::Key key = memo_.key(d, pc_, control_, memory_, initialises(d));
    if (memo_.checked(d, pc_, control_))
        if (const Cost* known = memo_.take(key)) return *known;
    Effects before = Effects::of(counters_, *module_);
    memo_.begin();
    Cost cost = execute(d);
    memo_.keep(key, d, cost, Effects::of(counters_, *module_) - before, counters_);
    return cost;
}

/// Takes the credits the instruction waits for; returns when it starts.
inline int64_t Engine::wait(const Decoded& d, UnitState& unit) {
    int64_t start = unit.free;
    Stall why = QUEUE_STALL;
    int64_t by = -1;
    if (fetch_ > start) start = fetch_;
    for (int i = 0; i < d.num_waits; ++i) {
        if (!control_.first_from(d.wait_depth[i])) continue;
        Semaphore& s = semaphores_[d.wait[i]];
        if (s.count() == 0) fail(d, text("deadlock: waits for semaphore %d, which no instruction before it signals", d.wait[i]));
        Credit c = s.take();
        if (sanitizer_) sanitizer_->take(d.unit, d.wait[i], 1, {&c.snapshot, 1});
        if (c.time > start) {
            start = c.time;
            why = STALL_OF[size_t(c.unit)];
            by = c.event;
        }
    }
    unit.stall[why] += start - unit.free;
    if (noted_ && noted_->first[size_t(d.unit)] < 0) noted_->first[size_t(d.unit)] = why;
    if (d.unit == Unit::ARRAY) module_->waits[size_t(why)] += start - std::min(start, std::max(unit.free, kernel_began_));
    event_.waited = start - unit.free;
    event_.why = why;
    event_.signalled_by = by;
    return start;
}

/// Whether an instruction that starts then is to be on the time line.
inline bool Engine::watched(int64_t start) const {
    return counters_.timeline.size() < options_.timeline && start >= options_.window_begin * CYCLE && start < options_.window_end * CYCLE;
}

inline void Engine::signal(const Decoded& d, int64_t time) {
    for (int i = 0; i < d.num_signals; ++i) {
        if (!control_.last_from(d.signal_depth[i])) continue;
        Semaphore& s = semaphores_[d.signal[i]];
        if (s.count() == 0xffff) fail(d, text("semaphore %d has 65535 credits already", d.signal[i]));
        s.put({time, d.unit, sanitizer_ ? sanitizer_->signal(d.unit, d.signal[i]) : 0,
               recording_ ? int64_t(counters_.timeline.size()) : -1});
    }
}

inline void Engine::record(const Decoded& d, int64_t start, int64_t finish) {
    if (finish > frontier_) {
        module_->ticks += finish - frontier_;
        frontier_ = finish;
    }
    if (recording_)
        counters_.timeline.push_back({int64_t(d.unit), pc_, start, finish, event_.waited, event_.why, event_.signalled_by, event_.dram_bytes});
    recording_ = false;
}

void Engine::issue(const Decoded& d) {
    UnitState& unit = counters_.units[size_t(d.unit)];
    fetch_ = std::max(fetch_, unit.started[unit.head]);         // room in the queue
    int64_t start = wait(d, unit);
    if (seen_) {
        recording_ = watched(start);
        if (sanitizer_) sanitizer_->begin(d.unit, pc_);
    }
    control_.use_agus(d.mems, d.num_mems);
    Cost cost = replays_ && Memo::keeps(d.op) ? outcome(d) : execute(d);
    int64_t end = start + cost.occupied, finish = start + cost.finish;
    if (cost.bus_bytes >= 0) {
        int64_t duration = timing::bus_ticks(machine_, cost.bus_bytes);
        end = bus_.transfer(d.unit == Unit::LOAD ? Bus::LOAD : Bus::STORE, start, duration);
        unit.stall[DRAM_STALL] += end - start - duration;
        unit.busy += duration;
        module_->busy[size_t(d.unit)] += duration;
        finish = cost.bus_bytes ? whole_cycles(end) + machine_.dram_latency * CYCLE : start;
    } else {
        unit.busy += cost.occupied;
        module_->busy[size_t(d.unit)] += cost.occupied;
    }
    finish = unit.finished = std::max(finish, unit.finished);   // units complete in order, so a sync speaks for all before it
    unit.free = end;
    unit.started[unit.head] = whole_cycles(start);
    unit.head = unit.head + 1 == uint32_t(machine_.queue_depth) ? 0 : unit.head + 1;
    ++unit.instructions;
    event_.dram_bytes = std::max(cost.bus_bytes, int64_t(0));
    signal(d, finish);
    record(d, start, finish);
}

void Engine::drain(const Decoded& d) {
    Semaphore& s = semaphores_[size_t(d.values[isa::drain::id])];
    int64_t wanted = d.values[isa::drain::credits];
    if (int64_t(s.count()) < wanted)
        fail(d, text("deadlock: waits for %lld credits of semaphore %lld, but instructions before it leave only %u", (long long)wanted,
                     (long long)d.values[isa::drain::id], s.count()));
    std::vector<uint32_t> snapshots;
    for (int64_t i = 0; i < wanted; ++i) {
        Credit c = s.take();
        fetch_ = std::max(fetch_, whole_cycles(c.time));
        if (sanitizer_) snapshots.push_back(c.snapshot);
    }
    if (sanitizer_) sanitizer_->take(Unit::CTRL, int(d.values[isa::drain::id]), wanted, snapshots);
    if (d.values[isa::drain::end]) {
        if (replays_) memo_.count(counters_), end_noted(), begins_ = true;
        end_kernel();
        kernel_began_ = fetch_;
    }
}

}  // namespace focus
