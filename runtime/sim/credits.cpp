// Orders that semaphores make; see credits.h.
#include "credits.h"

#include <algorithm>

#include "control.h"

namespace focus {

using isa::Op;
using isa::Unit;

namespace {

constexpr int UNITS = isa::NUM_UNIT, SEMAPHORES = isa::NUM_SEMAPHORES + 1, CONTROL = int(Unit::CTRL);
constexpr size_t MOST_EVENTS = 1 << 20;     // of a segment
constexpr int64_t MOST_STEPS = 100'000'000;
constexpr int MOST_PASSES = 20;

int bits(uint32_t set) { return __builtin_popcount(set); }

/// An instruction that waits or signals, or a control instruction that sets or takes credits.
struct Event {
    uint8_t unit;
    uint32_t index;                         // among its unit's
    std::array<uint8_t, 3> waits{}, signals{};      // semaphores, 0 for none; those of a segment, see `epoch`
    int64_t taken = 1;                      // credits of each wait
    Sure known{};                           // events of each unit that are surely done when it starts
};

/// One semaphore from one setting to the next.
struct Epoch {
    int semaphore;
    int64_t initial;
    bool begun = true, ended = true;        // whether nothing from before the setting that begins it (from it) can come after that (the next)
    std::array<std::vector<uint32_t>, UNITS> puts, takes;       // events of each unit, one entry for each credit
    Sure before{};                          // signals of each unit before this epoch, since the run began
};

class Search {
  public:
    Search(const Program& program, const std::array<CreditRule, SEMAPHORES>& rules) : program_(program), rules_(rules) {
        for (int s = 0; s < SEMAPHORES; ++s) open(s, 0);
    }

    std::vector<Sure> run() {
        uint32_t pc = 0;
        for (int64_t step = 0; step < MOST_STEPS && events_.size() < MOST_EVENTS; ++step) {
            const Decoded& d = program_.text[pc];
            if (d.op == Op::halt) {
                finish();
                return std::move(found_);
            }
            if (d.op == Op::loop) {
                int64_t trips = control_.extent(d.exts[isa::loop::trips]).value;
                if (trips > 0) control_.open(trips);
                pc = trips > 0 ? pc + 1 : d.target;
                continue;
            }
            if (d.op == Op::endloop) {
                pc = control_.next() ? d.target : pc + 1;
                continue;
            }
            if (d.op == Op::ext) control_.set_extent(int(d.values[isa::ext::id]), extent_of(d));
            else if (d.op == Op::sem) set(d);
            else if (d.op == Op::drain) drain(d);
            else if (d.unit != Unit::CTRL) synchronise(d);
            ++pc;
        }
        return std::move(found_);
    }

  private:
    void open(int semaphore, int64_t initial) {
        epoch_[size_t(semaphore)] = epochs_.size();
        epochs_.push_back({semaphore, initial});
        epochs_.back().before = puts_[size_t(semaphore)];
    }

    void add(Event e) {
        e.index = count_[e.unit]++;
        events_.push_back(e);
    }

    void synchronise(const Decoded& d) {
        Event e{uint8_t(d.unit), 0};
        bool any = false;
        for (int i = 0; i < d.num_waits; ++i)
            if (control_.first_from(d.wait_depth[i])) e.waits[size_t(i)] = d.wait[i], any = true;
        for (int i = 0; i < d.num_signals; ++i)
            if (control_.last_from(d.signal_depth[i])) e.signals[size_t(i)] = d.signal[i], any = true;
        if (!any) return;
        e.index = count_[e.unit];
        for (uint8_t s : e.waits) if (s) use(s).takes[e.unit].push_back(e.index);
        for (uint8_t s : e.signals) if (s) use(s).puts[e.unit].push_back(e.index), ++puts_[s][e.unit];
        epochs_of_.push_back(epochs_at(e));
        add(e);
    }

    void drain(const Decoded& d) {
        Event e{uint8_t(CONTROL), 0};
        uint8_t s = uint8_t(d.values[isa::drain::id]);
        e.taken = d.values[isa::drain::credits];
        if (e.taken == 0) return;
        e.waits[0] = s;
        e.index = count_[CONTROL];
        auto& takes = use(s).takes[CONTROL];
        takes.insert(takes.end(), size_t(e.taken), e.index);
        epochs_of_.push_back(epochs_at(e));
        add(e);
        if (control_.nesting() == 0 && d.values[isa::drain::end]) finish();
    }

    /// A setting begins a new epoch.
    void set(const Decoded& d) {
        int s = int(d.values[isa::sem::id]);
        Event e{uint8_t(CONTROL), 0};
        e.index = count_[CONTROL];
        settings_.push_back({epoch_[size_t(s)], epochs_.size(), events_.size()});
        epochs_of_.push_back({});
        add(e);
        use(s).ended = false;               // until the opposite is found
        open(s, d.values[isa::sem::credits]);
        use(s).begun = false;
    }

    Epoch& use(int semaphore) { return epochs_[epoch_[size_t(semaphore)]]; }

    std::array<uint32_t, 6> epochs_at(const Event& e) const {
        std::array<uint32_t, 6> out{};
        for (size_t i = 0; i < 3; ++i) out[i] = uint32_t(epoch_[e.waits[i]]), out[i + 3] = uint32_t(epoch_[e.signals[i]]);
        return out;
    }

    /// How many of `list` are below `limit`.
    static int64_t below(const std::vector<uint32_t>& list, uint32_t limit) {
        return std::lower_bound(list.begin(), list.end(), limit) - list.begin();
    }

    const Event& event(int unit, uint32_t index) const { return events_[by_unit_[size_t(unit)][index]]; }

    /// Signals of `unit` in an epoch that are not surely after event `e`.
    int64_t possible(const Epoch& epoch, int unit, const Event& e) const {
        const auto& puts = epoch.puts[size_t(unit)];
        auto after = [&](uint32_t put) { return event(unit, put).known[e.unit] > e.index; };
        return std::partition_point(puts.begin(), puts.end(), [&](uint32_t put) { return !after(put); }) - puts.begin();
    }

    /// What is surely signalled in an epoch when `e`, which takes from it, starts and knows what it knows so far.
    Sure sure(const Epoch& epoch, const Event& e) const {
        Sure out{}, possibly{};
        if (!epoch.begun || !epoch.ended) return out;
        int64_t taken = below(epoch.takes[e.unit], e.index + 1), all = 0;
        for (size_t u = 0; u < UNITS; ++u)
            if (u != e.unit) taken += below(epoch.takes[u], e.known[u]);
        for (size_t u = 0; u < UNITS; ++u) all += possibly[u] = uint32_t(possible(epoch, int(u), e));
        for (size_t u = 0; u < UNITS; ++u) {
            int64_t n = taken - epoch.initial - (all - possibly[u]);
            out[u] = uint32_t(std::clamp<int64_t>(n, 0, possibly[u]));
        }
        return out;
    }

    /// One pass over the events; whether anything new was found.
    bool pass() {
        bool changed = false;
        std::array<Sure, UNITS> now{};
        size_t setting = 0;
        for (size_t n = 0; n < events_.size(); ++n) {
            Event& e = events_[n];
            Sure known = e.known;
            auto learn = [&](const Sure& other) { for (size_t u = 0; u < UNITS; ++u) known[u] = std::max(known[u], other[u]); };
            learn(now[e.unit]);
            learn(now[CONTROL]);
            for (bool again = true; again;) {
                again = false;
                Event sofar = e;
                sofar.known = known;
                for (size_t i = 0; i < 3; ++i) {
                    if (!e.waits[i]) continue;
                    const Epoch& epoch = epochs_[epochs_of_[n][i]];
                    Sure done = sure(epoch, sofar);
                    for (size_t u = 0; u < UNITS; ++u) {
                        if (!done[u]) continue;
                        const Event& put = event(int(u), epoch.puts[u][done[u] - 1]);
                        if (by_unit_[u][put.index] >= n) continue;              // of a program that cannot go on
                        Sure carried = put.known;
                        carried[u] = std::max(carried[u], put.index + 1);
                        Sure before = known;
                        learn(carried);
                        again |= known != before;
                    }
                }
            }
            changed |= known != e.known;
            e.known = known;
            now[e.unit] = known;
            now[e.unit][e.unit] = e.index + 1;
            if (setting < settings_.size() && settings_[setting].event == n) changed |= judge(settings_[setting++], known);
        }
        last_ = now[CONTROL];
        return changed;
    }

    struct Setting { size_t before, after, event; };

    /// Whether it is news that the control unit, knowing this, changes a semaphore that nobody uses any more.
    bool judge(const Setting& s, const Sure& known) {
        Epoch &before = epochs_[s.before], &after = epochs_[s.after];
        if (before.ended) return false;
        for (size_t u = 0; u < UNITS; ++u)
            for (const auto* list : {&before.puts[u], &before.takes[u]})
                if (u != CONTROL && !list->empty() && list->back() >= known[u]) return false;
        return before.ended = after.begun = true;
    }

    /// The end of a segment: finds the orders in it, and begins a new one if the control unit knows that everything before is done.
    void finish() {
        for (auto& list : by_unit_) list.clear();
        for (size_t n = 0; n < events_.size(); ++n) by_unit_[events_[n].unit].push_back(n);
        for (int i = 0; i < MOST_PASSES && pass(); ++i) {}
        for (size_t u = 0; u < UNITS; ++u)
            if (u != CONTROL && last_[u] < count_[u]) return;        // not all is known to be done: the segment goes on
        for (size_t n = 0; n < events_.size(); ++n)
            for (size_t i = 0; i < 3; ++i) {
                int semaphore = events_[n].waits[i];
                if (!semaphore || rules_[size_t(semaphore)] != CreditRule::SEARCHED) continue;
                const Epoch& epoch = epochs_[epochs_of_[n][i]];
                Sure out = sure(epoch, events_[n]);
                for (size_t u = 0; u < UNITS; ++u) out[u] = out[u] ? out[u] + epoch.before[u] : 0;
                found_.push_back(out);
            }
        next_segment();
    }

    /// Forgets events; semaphores keep the credits that are left.
    void next_segment() {
        std::array<int64_t, SEMAPHORES> left;
        for (int s = 0; s < SEMAPHORES; ++s) {
            const Epoch& e = use(s);
            left[size_t(s)] = e.initial;
            for (size_t u = 0; u < UNITS; ++u) left[size_t(s)] += int64_t(e.puts[u].size()) - int64_t(e.takes[u].size());
        }
        events_.clear(), epochs_of_.clear(), epochs_.clear(), settings_.clear();
        count_.fill(0);
        for (int s = 0; s < SEMAPHORES; ++s) open(s, left[size_t(s)]);
    }

    const Program& program_;
    const std::array<CreditRule, SEMAPHORES>& rules_;
    Control control_;
    std::vector<Event> events_;
    std::vector<std::array<uint32_t, 6>> epochs_of_;        // of each event's waits and signals
    std::vector<Epoch> epochs_;
    std::vector<Setting> settings_;
    std::array<size_t, SEMAPHORES> epoch_{};                // the present one of each semaphore
    std::array<std::vector<size_t>, UNITS> by_unit_;
    std::array<Sure, SEMAPHORES> puts_{};                   // signals since the run began
    Sure count_{}, last_{};
    std::vector<Sure> found_;
};

}  // namespace

std::array<CreditRule, SEMAPHORES> credit_rules(const Program& program) {
    std::array<CreditRule, SEMAPHORES> out;
    out.fill(CreditRule::IN_TURN);
    std::array<uint32_t, SEMAPHORES> signals{}, waits{}, ever{};        // sets of units
    auto judge = [&] {
        for (size_t s = 0; s < SEMAPHORES; ++s) {
            ever[s] |= waits[s];
            if (bits(signals[s]) > 1 || bits(waits[s]) > 1) out[s] = std::max(out[s], waits[s] & ~(1u << CONTROL) ? CreditRule::SEARCHED : CreditRule::COUNTED);
        }
        signals.fill(0), waits.fill(0);
    };
    int depth = 0;
    for (const Decoded& d : program.text) {
        depth += (d.op == Op::loop) - (d.op == Op::endloop);
        for (int i = 0; i < d.num_waits; ++i) waits[d.wait[i]] |= 1u << int(d.unit);
        for (int i = 0; i < d.num_signals; ++i) signals[d.signal[i]] |= 1u << int(d.unit);
        if (d.op != Op::drain) continue;
        waits[size_t(d.values[isa::drain::id])] |= 1u << CONTROL;
        if (depth == 0 && d.values[isa::drain::end]) judge();
    }
    judge();
    for (size_t s = 0; s < SEMAPHORES; ++s)     // counted over the whole run, so no other unit may take in any kernel
        if (out[s] == CreditRule::COUNTED && ever[s] != 1u << CONTROL) out[s] = CreditRule::SEARCHED;
    return out;
}

std::vector<Sure> search(const Program& program, const std::array<CreditRule, SEMAPHORES>& rules) {
    if (std::find(rules.begin(), rules.end(), CreditRule::SEARCHED) == rules.end()) return {};
    return Search(program, rules).run();
}

}  // namespace focus
