// Orders that semaphores make; see credits.h.
#include "credits.h"

#include <algorithm>

#include "control.h"

namespace focus {

using isa::Op;
using isa::Unit;

namespace {

constexpr int UNITS = isa::NUM_UNIT, SEMAPHORES = isa::NUM_SEMAPHORES + 1, CONTROL = int(Unit::CTRL);
constexpr size_t MOST_EVENTS = 1 << 18, MOST_FOUND = 1 << 22;      // of a segment, of a run
constexpr int64_t MOST_STEPS = 100'000'000;
constexpr int MOST_PASSES = 100;
constexpr int64_t MOST_SETS = 256;

int bits(uint32_t set) { return __builtin_popcount(set); }

/// An instruction of a unit, or a control instruction that sets or takes credits.
struct Event {
    uint8_t unit;
    uint32_t index;                         // among its unit's
    std::array<uint8_t, 3> waits{}, signals{};      // semaphores, 0 for none; those of a segment, see `epoch`
    bool setting = false;
    Sure known{};                           // events of each unit that are surely done when it starts
};

/// One semaphore from one setting to the next.
struct Epoch {
    int semaphore;
    int64_t initial;
    bool begun = true, ended = true;        // whether nothing from before the setting that begins it (from it) can come after that (the next)
    std::array<std::vector<uint32_t>, UNITS> puts, takes;       // events of each unit, one entry for each credit
};

class Search {
  public:
    Search(const Program& program, const std::array<CreditRule, SEMAPHORES>& rules) : program_(program), rules_(rules) {
        for (int s = 0; s < SEMAPHORES; ++s) open(s, 0);
    }

    std::vector<Sure> run() {
        uint32_t pc = 0;
        for (int64_t step = 0; step < MOST_STEPS && !given_up_ && events_.size() < MOST_EVENTS && found_.size() < MOST_FOUND; ++step) {
            const Decoded& d = program_.text[pc];
            if (d.op == Op::halt) {
                finish(true);
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
    }

    void add(Event e) {
        e.known = count_;
        e.index = count_[e.unit]++;
        events_.push_back(e);
    }

    void synchronise(const Decoded& d) {
        Event e{uint8_t(d.unit), 0};
        for (int i = 0; i < d.num_waits; ++i)
            if (control_.first_from(d.wait_depth[i])) e.waits[size_t(i)] = d.wait[i];
        for (int i = 0; i < d.num_signals; ++i)
            if (control_.last_from(d.signal_depth[i])) e.signals[size_t(i)] = d.signal[i];
        e.index = count_[e.unit];
        for (uint8_t s : e.waits) if (s) use(s).takes[e.unit].push_back(e.index);
        for (uint8_t s : e.signals) if (s) use(s).puts[e.unit].push_back(e.index);
        epochs_of_.push_back(epochs_at(e));
        add(e);
    }

    void drain(const Decoded& d) {
        Event e{uint8_t(CONTROL), 0};
        uint8_t s = uint8_t(d.values[isa::drain::id]);
        e.waits[0] = s;
        e.index = count_[CONTROL];
        auto& takes = use(s).takes[CONTROL];
        takes.insert(takes.end(), size_t(d.values[isa::drain::credits]), e.index);
        epochs_of_.push_back(epochs_at(e));
        add(e);
        if (control_.nesting() == 0 && d.values[isa::drain::end]) finish(false);
    }

    /// A setting begins a new epoch.
    void set(const Decoded& d) {
        int s = int(d.values[isa::sem::id]);
        Event e{uint8_t(CONTROL), 0};
        e.index = count_[CONTROL];
        e.setting = true;
        settings_.push_back({epoch_[size_t(s)], epochs_.size(), events_.size()});
        epochs_of_.push_back({});
        add(e);
        open(s, d.values[isa::sem::credits]);
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
        if (unit == e.unit) return below(puts, e.index);
        auto after = [&](uint32_t put) { return event(unit, put).known[e.unit] > e.index; };
        return std::partition_point(puts.begin(), puts.end(), [&](uint32_t put) { return !after(put); }) - puts.begin();
    }

    /// What an event has before it, known so far, and itself.
    static Sure with_itself(const Event& e) {
        Sure out = e.known;
        out[e.unit] = std::max(out[e.unit], e.index + 1);
        return out;
    }

    static void join(Sure& mine, const Sure& other) {
        for (size_t u = 0; u < UNITS; ++u) mine[u] = std::max(mine[u], other[u]);
    }

    /// What `e`, with what it knows so far, surely has before it when it has taken from an epoch.
    Sure carried(const Epoch& epoch, const Event& e) const {
        if (!epoch.begun || !epoch.ended) return {};
        int64_t needed = below(epoch.takes[e.unit], e.index + 1) - epoch.initial, all = 0, sets = 1;
        for (size_t u = 0; u < UNITS; ++u)
            if (u != e.unit) needed += below(epoch.takes[u], e.known[u]);
        std::vector<Share> shares;
        for (size_t u = 0; u < UNITS; ++u)
            if (int64_t n = epoch.puts[u].empty() ? 0 : possible(epoch, int(u), e)) shares.push_back({u, n, 0, 0}), all += n;
        if (needed <= 0 || all < needed) return {};                             // the latter in a program that cannot go on
        for (Share& s : shares) {
            s.least = std::max<int64_t>(0, needed - (all - s.most));
            s.most = std::min(s.most, needed);
            s.now = s.least;
            sets = std::min(sets * (s.most - s.least + 1), MOST_SETS + 1);
        }
        Sure out{};
        if (sets > MOST_SETS) {
            for (const Share& s : shares)
                if (s.least) join(out, with_itself(event(int(s.unit), epoch.puts[s.unit][size_t(s.least - 1)])));
            return out;
        }
        bool first = true;
        do {
            Sure one{};
            if (!possible_set(epoch, shares, needed, one)) continue;
            for (size_t u = 0; u < UNITS; ++u) out[u] = first ? one[u] : std::min(out[u], one[u]);
            first = false;
        } while (next_set(shares));
        return out;
    }

    /// Signals of one unit in an epoch: how many are in a set, between what bounds.
    struct Share { size_t unit; int64_t most, least, now; };

    static bool next_set(std::vector<Share>& shares) {
        for (Share& s : shares) {
            if (++s.now <= s.most) return true;
            s.now = s.least;
        }
        return false;
    }

    /// Whether a set of signals can be all that is done; then `known` is what they have before them.
    bool possible_set(const Epoch& epoch, const std::vector<Share>& shares, int64_t needed, Sure& known) const {
        int64_t size = 0;
        for (const Share& s : shares) size += s.now;
        if (size != needed) return false;
        for (const Share& s : shares)
            if (s.now) join(known, with_itself(event(int(s.unit), epoch.puts[s.unit][size_t(s.now - 1)])));
        for (const Share& s : shares)
            if (below(epoch.puts[s.unit], known[s.unit]) > s.now) return false;
        return true;
    }

    /// One pass over the events; whether anything was given up.
    bool pass() {
        bool changed = false;
        std::array<Sure, UNITS> now{};
        size_t setting = 0;
        for (size_t n = 0; n < events_.size(); ++n) {
            Event e = events_[n];
            e.known = {};
            e.known[CONTROL] = events_[n].known[CONTROL];           // fetched after them
            join(e.known, now[e.unit]);
            join(e.known, now[CONTROL]);
            Sure before;
            do {
                before = e.known;
                for (size_t i = 0; i < 3; ++i)
                    if (e.waits[i] && rules_[e.waits[i]] == CreditRule::IN_TURN) join(e.known, carried(epochs_[epochs_of_[n][i]], e));
                for (size_t i : shared_) join(e.known, carried(epochs_[i], e));
            } while (e.known != before);
            changed |= e.known != events_[n].known;
            events_[n] = e;
            now[e.unit] = with_itself(e);
            if (setting < settings_.size() && settings_[setting].event == n) changed |= judge(settings_[setting++], e.known);
        }
        last_ = now[CONTROL];
        return changed;
    }

    struct Setting { size_t before, after, event; };

    /// Whether it is news that the control unit, knowing only this, changes a semaphore that others may still use.
    bool judge(const Setting& s, const Sure& known) {
        Epoch &before = epochs_[s.before], &after = epochs_[s.after];
        if (!before.ended) return false;
        for (size_t u = 0; u < UNITS; ++u)
            for (const auto* list : {&before.puts[u], &before.takes[u]})
                if (u != CONTROL && !list->empty() && list->back() >= known[u]) {
                    before.ended = after.begun = false;
                    return true;
                }
        return false;
    }

    /// A point at which a segment may end: finds the orders in it, and begins a new one if the control unit knows that everything before is done.
    void finish(bool last) {
        for (auto& list : by_unit_) list.clear();
        for (size_t n = 0; n < events_.size(); ++n) by_unit_[events_[n].unit].push_back(n);
        shared_.clear();
        for (size_t i = 0; i < epochs_.size(); ++i)
            if (rules_[size_t(epochs_[i].semaphore)] != CreditRule::IN_TURN) shared_.push_back(i);
        int passes = 0;
        while (pass())
            if (++passes == MOST_PASSES) return give_up();
        for (size_t u = 0; u < UNITS; ++u)
            if (u != CONTROL && last_[u] < count_[u] && !last) return;
        for (const Event& e : events_) {
            if (e.setting) continue;
            found_.push_back(e.known);
            for (size_t u = 0; u < UNITS; ++u) found_.back()[u] += before_[u];
        }
        for (size_t u = 0; u < UNITS; ++u) before_[u] += count_[u];
        next_segment();
    }

    /// Nothing is known of this segment, nor of any later one.
    void give_up() { given_up_ = true; }

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
    std::vector<size_t> shared_;                            // of these, those whose credits may be exchanged
    std::vector<Setting> settings_;
    std::array<size_t, SEMAPHORES> epoch_{};                // the present one of each semaphore
    std::array<std::vector<size_t>, UNITS> by_unit_;
    bool given_up_ = false;
    Sure count_{}, last_{};
    Sure before_{};                                         // events of each unit in the segments before
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
