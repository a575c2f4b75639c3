// See replay.h.
#include "replay.h"

#include <algorithm>
#include <bitset>

#include "engine.h"

namespace focus {

using isa::Op;
using isa::Space;
using isa::Unit;

namespace {

template <class T>
void put(std::string& out, const T& value) {
    out.append(reinterpret_cast<const char*>(&value), sizeof value);
}

/// Of an address, what times depend on: in DRAM, where in a burst it is.
int64_t place(Space space, int64_t address, int64_t burst) { return space == Space::DRAM ? ((address % burst) + burst) % burst : address; }

int count_of(Op op, isa::Kind kind) {
    const isa::Instruction& instr = isa::TABLE[int(op)];
    return int(std::count_if(instr.fields, instr.fields + instr.num_fields, [&](const isa::Field& f) { return f.kind == kind; }));
}

/// An instruction without its module, its jumps relative.
void put_word(std::string& out, const Decoded& d, uint32_t pc, int64_t burst) {
    put(out, d.op);
    put(out, d.unit);
    for (int i = 0; i < 3; ++i) {
        put(out, i < d.num_waits ? d.wait[i] : uint8_t(0));
        put(out, i < d.num_waits ? d.wait_depth[i] : uint8_t(0));
        put(out, i < d.num_signals ? d.signal[i] : uint8_t(0));
        put(out, i < d.num_signals ? d.signal_depth[i] : uint8_t(0));
    }
    for (int i = 0; i < d.num_mems; ++i) put(out, d.mems[i]);
    for (int i = 0; i < count_of(d.op, isa::Kind::EXT); ++i) put(out, d.exts[i]);
    for (int i = 0; i < count_of(d.op, isa::Kind::SCALAR); ++i) put(out, d.scalars[i]);
    for (int i = 0; i < count_of(d.op, isa::Kind::ENUM); ++i) put(out, d.enums[i]);
    put(out, d.init);
    auto values = d.values;
    if (d.op == Op::agu) values[isa::agu::base] = place(Space(d.enums[isa::agu::space]), values[isa::agu::base], burst);
    if (d.unit == Unit::CTRL) put(out, values);
    if (d.op == Op::loop || d.op == Op::endloop) put(out, int64_t(d.target) - pc);
}

}  // namespace

Stretch Stretch::of(const Program& program, uint32_t begin, int64_t burst) {
    Stretch s;
    s.begin = begin;
    s.source = program.text[begin].source;
    std::bitset<isa::NUM_AGUS + 1> agus, used_agus;
    std::bitset<isa::NUM_EXTENTS> extents, used_extents;
    std::bitset<isa::NUM_SCALARS> scalars, used_scalars;
    std::bitset<isa::NUM_SEMAPHORES + 1> semaphores, used_semaphores;
    int depth = 0;
    uint32_t pc = begin;
    for (;; ++pc) {
        const Decoded& d = program.text[pc];
        if (d.op == Op::halt) return s;
        if (d.source != s.source) return s;
        put_word(s.words, d, pc, burst);
        bool sets = true;
        auto use_agu = [&](int id) { if (!agus[size_t(id)]) used_agus[size_t(id)] = true; };
        auto use_extent = [&](int id) { if (!extents[size_t(id)]) used_extents[size_t(id)] = true; };
        switch (d.op) {
            case Op::agu: agus[size_t(d.values[isa::agu::id])] = true; break;
            case Op::agu_stride: use_agu(int(d.values[isa::agu_stride::id])); break;
            case Op::agu_step: use_agu(int(d.values[isa::agu_step::id])), s.steps = true; break;
            case Op::ext: extents[size_t(d.values[isa::ext::id])] = true; break;
            case Op::ext_step: use_extent(int(d.values[isa::ext_step::id])), s.steps = true; break;
            case Op::scalar: scalars[d.scalars[isa::scalar::id]] = true; break;
            case Op::sem: semaphores[size_t(d.values[isa::sem::id])] = true; break;
            case Op::sic_config: case Op::sic_grid: return s;               // about data
            default: sets = false;
        }
        if (sets && depth) return s;                                        // what loops set up may not be there
        if (sets) s.set_up.push_back(pc);
        if (!sets) {
            for (int i = 0; i < d.num_mems; ++i) {
                if (d.mems[i] == isa::NO_AGU) continue;
                if (isa::OPERANDS[int(d.op)][i].where == isa::Where::COUNTS) return s;
                use_agu(d.mems[i]);
            }
            for (int i = 0; i < count_of(d.op, isa::Kind::EXT); ++i) use_extent(d.exts[i]);
            for (int i = 0; i < count_of(d.op, isa::Kind::SCALAR); ++i)
                if (!scalars[d.scalars[i]]) used_scalars[d.scalars[i]] = true;
            for (int i = 0; i < d.num_waits; ++i)
                if (!semaphores[d.wait[i]]) used_semaphores[d.wait[i]] = true;
        }
        depth += (d.op == Op::loop) - (d.op == Op::endloop);
        if (d.op == Op::drain && d.values[isa::drain::end]) break;
    }
    s.end = pc + 1;
    for (int i = 0; i < isa::NUM_AGUS; ++i) if (used_agus[size_t(i)]) s.agus.push_back(uint8_t(i));
    for (int i = 0; i < isa::NUM_EXTENTS; ++i) if (used_extents[size_t(i)]) s.extents.push_back(uint8_t(i));
    for (int i = 0; i < isa::NUM_SCALARS; ++i) if (used_scalars[size_t(i)]) s.scalars.push_back(uint8_t(i));
    for (int i = 1; i <= isa::NUM_SEMAPHORES; ++i) if (used_semaphores[size_t(i)]) s.semaphores.push_back(uint8_t(i));
    s.alike = depth == 0;
    return s;
}

const Stretch& Replay::stretch(const Program& program, uint32_t pc, int64_t burst) {
    auto it = stretches_.find(pc);
    return it != stretches_.end() ? it->second : stretches_.emplace(pc, Stretch::of(program, pc, burst)).first->second;
}

std::string Replay::key(const Stretch& s, const Control& control, const std::array<float, isa::NUM_SCALARS>& scalars,
                        const std::array<uint32_t, isa::NUM_SEMAPHORES + 1>& credits, int64_t step, int64_t idle, int64_t burst) {
    std::string key = s.words;
    for (uint8_t id : s.agus) {
        const Agu& a = control.agu(id);
        put(key, place(a.space, a.address, burst));
        put(key, a.pitch), put(key, a.space), put(key, a.dtype), put(key, a.set), put(key, a.slot), put(key, a.slots), put(key, a.ring_level);
        put(key, a.slot_bytes), put(key, a.stride);
    }
    for (uint8_t id : s.extents) {
        const Extent& e = control.extent(id);
        put(key, e.set), put(key, e.full), put(key, e.total), put(key, e.step), put(key, e.level);
    }
    for (uint8_t id : s.scalars) put(key, scalars[id]);
    for (uint8_t id : s.semaphores) put(key, credits[id]);
    put(key, s.steps ? step : int64_t(0));
    put(key, idle);
    return key;
}

// ---- the engine's side ------------------------------------------------------------------------------------------------------------

std::array<uint32_t, isa::NUM_SEMAPHORES + 1> Engine::credits() const {
    std::array<uint32_t, isa::NUM_SEMAPHORES + 1> out{};
    for (size_t i = 0; i < out.size(); ++i) out[i] = semaphores_[i].count();
    return out;
}

/// A kernel begins: if one like it has been timed, it is not executed; else what it takes will be noted.  True if it is over.
bool Engine::begin_kernel() {
    noted_.reset();
    for (const UnitState& unit : counters_.units)
        if (unit.free > fetch_ || unit.finished > fetch_) return false;     // the drain before was satisfied early, by credits that were left over
    bus_.forget();                                          // all claims lie in the past
    const Stretch& s = replay_.stretch(program_, pc_, machine_.burst_bytes);
    if (!s.alike) return false;
    for (uint8_t id : s.agus)
        if (control_.agu(id).slots > 1) return false;       // where its ring stands is left behind
    std::string key = Replay::key(s, control_, scalars_, credits(), options_.step, fetch_ - frontier_, machine_.burst_bytes);
    if (const Taken* taken = replay_.find(key)) {
        take(s, *taken);
        return true;
    }
    noted_ = std::make_unique<Noted>();
    noted_->stretch = &s;
    noted_->key = std::move(key);
    noted_->fetch = fetch_;
    noted_->frontier = frontier_;
    noted_->credits = credits();
    Taken& before = noted_->before;
    before.instructions = counters_.instructions;
    before.by_op = counters_.by_op;
    before.effects = Effects::of(counters_, counters_.modules[s.source]);
    for (size_t u = 0; u < before.units.size(); ++u) {
        const UnitState& unit = counters_.units[u];
        Taken::Unit& b = before.units[u];
        b.free = unit.free, b.finished = unit.finished, b.instructions = int64_t(unit.instructions), b.busy = unit.busy;
        std::copy(std::begin(unit.stall), std::end(unit.stall), b.stall.begin());
    }
    return false;
}

/// A kernel has ended: keeps what it took, if semaphores are as it found them and all units idle.
void Engine::end_noted() {
    if (!noted_) return;
    const Noted& n = *noted_;
    const Stretch& s = *n.stretch;
    auto now = credits();
    for (uint32_t pc : s.set_up)                            // those that it set itself need not be
        if (const Decoded& d = program_.text[pc]; d.op == Op::sem) {
            size_t id = size_t(d.values[isa::sem::id]);
            if (now[id] == uint32_t(d.values[isa::sem::credits])) now[id] = n.credits[id];
        }
    bool alike = now == n.credits;
    for (const UnitState& unit : counters_.units)           // what a unit still has under way holds up the next kernel
        alike = alike && unit.free <= fetch_ && unit.finished <= fetch_;
    Taken taken;
    taken.fetched = fetch_ - n.fetch;
    taken.frontier = frontier_ - n.fetch;
    const Taken& b = n.before;
    taken.instructions = counters_.instructions - b.instructions;
    for (size_t i = 0; i < taken.by_op.size(); ++i) taken.by_op[i] = counters_.by_op[i] - b.by_op[i];
    taken.effects = Effects::of(counters_, counters_.modules[s.source]) - b.effects;
    for (size_t u = 0; u < taken.units.size(); ++u) {
        const UnitState& unit = counters_.units[u];
        Taken::Unit& t = taken.units[u];
        const Taken::Unit& before = b.units[u];
        t.instructions = int64_t(unit.instructions) - before.instructions;
        t.busy = unit.busy - before.busy;
        t.free = unit.free - n.fetch;
        t.finished = unit.finished - n.fetch;
        t.first = n.first[u];
        for (size_t k = 0; k < t.stall.size(); ++k) t.stall[k] = unit.stall[k] - before.stall[k];
        if (t.first >= 0) t.stall[size_t(t.first)] -= n.fetch - before.free;     // for which it was idle before the kernel
    }
    if (alike) replay_.keep(n.key, taken);
    noted_.reset();
}

/// What a kernel like this one took, taken again.
void Engine::take(const Stretch& s, const Taken& taken) {
    for (uint32_t pc : s.set_up) {
        pc_ = pc;
        control(program_.text[pc]);
    }
    for (size_t u = 0; u < taken.units.size(); ++u) {
        UnitState& unit = counters_.units[u];
        const Taken::Unit& t = taken.units[u];
        if (!t.instructions) continue;
        for (size_t k = 0; k < t.stall.size(); ++k) unit.stall[k] += t.stall[k];
        if (t.first >= 0) unit.stall[t.first] += fetch_ - unit.free;
        unit.instructions += uint64_t(t.instructions);
        unit.busy += t.busy;
        unit.free = fetch_ + t.free;
        unit.finished = fetch_ + t.finished;
    }
    counters_.instructions += taken.instructions;
    for (size_t i = 0; i < taken.by_op.size(); ++i) counters_.by_op[i] += taken.by_op[i];
    module_ = &counters_.modules[s.source];
    taken.effects.add_to(counters_, *module_, 1);
    frontier_ = fetch_ + taken.frontier;
    kernel_began_ = fetch_ += taken.fetched;
    pc_ = s.end;
    end_kernel();
    if (counters_.instructions >= poll_at_) poll();
}

}  // namespace focus
