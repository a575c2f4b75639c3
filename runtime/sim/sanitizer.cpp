// Vector clocks and shadow memory; see sanitizer.h.
#include "sanitizer.h"

#include <algorithm>

#include "error.h"

namespace focus {

Sanitizer::Sanitizer(const Program& program) : rules_(credit_rules(program)), found_(search(program, rules_)) {
    unit_of_ = {0, 0};
    instruction_of_ = {0, 0};
    for (auto& clock : clocks_) clock.fill(HOST);
}

void Sanitizer::begin(isa::Unit unit, uint32_t instruction) {
    if (now_ == GIVEN_UP - 1) throw Error("the sanitizer can follow at most 2^31 instructions");
    ++now_;
    unit_ = unit;
    unit_of_.push_back(uint8_t(unit));
    instruction_of_.push_back(instruction);
    Clock& mine = clocks_[size_t(unit)];
    const Clock& control = clocks_[size_t(isa::Unit::CTRL)];
    for (size_t u = 0; u < mine.size(); ++u) mine[u] = std::max(mine[u], control[u]);
    mine[size_t(unit)] = now_;
    if (found_.empty()) return;
    join_found(unit);
    history_[size_t(unit)].push_back(mine);
}

uint32_t Sanitizer::snapshot(isa::Unit unit) {
    if (free_.empty()) {
        free_.push_back(uint32_t(snapshots_.size()));
        snapshots_.emplace_back();
    }
    uint32_t number = free_.back();
    free_.pop_back();
    snapshots_[number] = clocks_[size_t(unit)];
    return number;
}

uint32_t Sanitizer::initial() { return snapshot(isa::Unit::CTRL); }

uint32_t Sanitizer::signal(isa::Unit unit, int semaphore) {
    if (rules_[size_t(semaphore)] == CreditRule::COUNTED) counted_[semaphore].signals[size_t(unit)].push_back(clocks_[size_t(unit)]);
    return snapshot(unit);
}

/// What the search found for the next instruction, or drain.
void Sanitizer::join_found(isa::Unit unit) {
    if (next_found_ >= found_.size()) return;
    const Sure& sure = found_[next_found_++];
    for (size_t u = 0; u < sure.size(); ++u)
        if (u != size_t(isa::Unit::CTRL) && sure[u] && sure[u] <= history_[u].size()) join(unit, history_[u][sure[u] - 1]);
}

void Sanitizer::join(isa::Unit unit, const Clock& other) {
    Clock& mine = clocks_[size_t(unit)];
    for (size_t u = 0; u < mine.size(); ++u) mine[u] = std::max(mine[u], other[u]);
}

void Sanitizer::take(isa::Unit unit, int semaphore, int64_t credits, std::span<const uint32_t> numbers) {
    CreditRule rule = rules_[size_t(semaphore)];
    for (uint32_t number : numbers) {
        if (rule == CreditRule::IN_TURN) join(unit, snapshots_[number]);
        drop(number);
    }
    if (rule == CreditRule::COUNTED) join_counted(semaphore, credits);
    if (unit == isa::Unit::CTRL) join_found(unit);
}

/// For a semaphore that only the control unit waits for: when it waits, all signals there can be have been made, in program order.
void Sanitizer::join_counted(int semaphore, int64_t credits) {
    Counted& s = counted_[semaphore];
    s.taken += credits;
    int64_t all = 0;
    for (size_t u = 0; u < s.before.size(); ++u) all += int64_t(s.signals[u].size() - s.before[u]);
    for (size_t u = 0; u < s.before.size() && !s.unclear; ++u) {
        int64_t mine = int64_t(s.signals[u].size() - s.before[u]), sure = std::min(mine, s.taken - s.initial - (all - mine));
        if (sure > 0) join(isa::Unit::CTRL, s.signals[u][s.before[u] + size_t(sure) - 1]);
    }
}

void Sanitizer::set(int semaphore, int64_t credits) {
    if (rules_[size_t(semaphore)] != CreditRule::COUNTED) return;
    Counted& s = counted_[semaphore];
    const Clock& control = clocks_[size_t(isa::Unit::CTRL)];
    for (size_t u = 0; u < s.before.size(); ++u) {
        if (!s.signals[u].empty() && s.signals[u].back()[u] > control[u]) s.unclear = true;
        s.before[u] = s.signals[u].size();
    }
    s.initial = credits;
    s.taken = 0;
}

Sanitizer::Page& Sanitizer::page(isa::Space space, int64_t index) {
    auto& pages = pages_[int(space)];
    if (int64_t(pages.size()) <= index) pages.resize(size_t(index) + 1);
    auto& slot = pages[size_t(index)];
    if (!slot) slot = std::make_unique<Page>();
    return *slot;
}

/// Calls f(page, base, from, to) for each page of a byte range; from and to in grains.
template <class F>
void Sanitizer::page_range(isa::Space space, int64_t address, int64_t bytes, F f) {
    int64_t end = address + bytes;
    while (address < end) {
        int64_t index = address / PAGE_BYTES, base = index * PAGE_BYTES;
        int64_t stop = std::min(end, base + PAGE_BYTES);
        f(page(space, index), base, int(address - base) / GRAIN, int(stop - base + GRAIN - 1) / GRAIN);
        address = stop;
    }
}

void Sanitizer::host_write(int64_t begin, int64_t end) {
    page_range(isa::Space::DRAM, begin, end - begin, [](Page& p, int64_t, int from, int to) {
        std::fill(p.writer + from, p.writer + to, HOST);
        p.written = true;
    });
}

void Sanitizer::each_written(isa::Space space, int64_t begin, int64_t end, const std::function<void(int64_t, int64_t)>& f) {
    int64_t start = -1;
    page_range(space, begin, end - begin, [&](Page& p, int64_t base, int from, int to) {
        for (int g = from; g < to; ++g) {
            bool there = p.writer[g] && !(p.writer[g] & GIVEN_UP);
            if (there == (start >= 0)) continue;
            if (there) start = base + g * GRAIN;
            else f(start, base + g * GRAIN), start = -1;
        }
    });
    if (start >= 0) f(start, end);
}

void Sanitizer::give_up(isa::Space space, int64_t begin, int64_t end) {
    auto& pages = pages_[int(space)];
    end = std::min(end, int64_t(pages.size()) * PAGE_BYTES);
    for (int64_t base = begin / PAGE_BYTES * PAGE_BYTES; base < end; base += PAGE_BYTES) {
        Page* p = pages[size_t(base / PAGE_BYTES)].get();
        if (!p || !p->written) continue;
        int from = int(std::max<int64_t>(begin - base, 0)) / GRAIN, to = int(std::min<int64_t>(end - base, PAGE_BYTES)) / GRAIN;
        for (int g = from; g < to; ++g) p->writer[g] |= GIVEN_UP;
        if (to - from == GRAINS) p->written = false;
    }
}

void Sanitizer::access(int operand, const Region& r, isa::Access kind) {
    int64_t rows = r.rows, bytes = r.row_bytes;
    if (r.pitch == bytes) bytes *= rows, rows = 1;
    for (int64_t row = 0; row < rows; ++row)
        page_range(r.space, r.address + row * r.pitch, bytes, [&](Page& p, int64_t base, int from, int to) {
            if (kind & isa::READ) read(operand, r.space, p, base, from, to);
            if (kind & isa::WRITE) write(operand, r.space, p, base, from, to);
        });
}

/// Whether all stamps of a range are the same; the common case, and quick to see.
static bool uniform(const uint32_t* stamps, int from, int to) {
    uint32_t first = stamps[from], differences = 0;
    for (int g = from; g < to; ++g) differences |= stamps[g] ^ first;
    return differences == 0;
}

/// The last writer of each grain must be ordered before this access, and for a read there must be one whose bytes have not been given up.
void Sanitizer::check_writer(int operand, isa::Space space, const Page& p, int64_t base, int from, int to, bool writing) {
    auto holds = [&](uint32_t writer) { return writing || (writer != 0 && writer < GIVEN_UP); };
    if (uint32_t first = p.writer[from]; holds(first) && ordered(first & ~GIVEN_UP) && uniform(p.writer, from, to)) return;
    uint32_t good = now_;
    for (int g = from; g < to; ++g) {
        uint32_t writer = p.writer[g], stamp = writer & ~GIVEN_UP;
        if (writer == good) continue;
        int64_t at = base + int64_t(g) * GRAIN;
        bool held = holds(writer), in_order = ordered(stamp);
        if (!held)
            report({stamp ? Finding::STALE : Finding::UNINITIALISED, instruction_of_[now_], operand, false, space, at, at + GRAIN,
                    instruction_of_[stamp], true});
        if (!in_order)
            report({Finding::UNORDERED, instruction_of_[now_], operand, writing, space, at, at + GRAIN, instruction_of_[stamp], true});
        if (held && in_order) good = writer;
    }
}

void Sanitizer::read(int operand, isa::Space space, Page& p, int64_t base, int from, int to) {
    check_writer(operand, space, p, base, from, to, false);
    auto& mine = p.reader[int(unit_)];
    if (!mine) mine = std::make_unique<uint32_t[]>(GRAINS);
    std::fill(mine.get() + from, mine.get() + to, now_);
}

void Sanitizer::write(int operand, isa::Space space, Page& p, int64_t base, int from, int to) {
    check_writer(operand, space, p, base, from, to, true);
    for (int u = 0; u < isa::NUM_UNIT; ++u) {
        const uint32_t* reader = p.reader[u].get();
        if (!reader || u == int(unit_)) continue;
        uint32_t known = clocks_[size_t(unit_)][size_t(u)];
        if (reader[from] <= known && uniform(reader, from, to)) continue;
        for (int g = from; g < to; ++g)
            if (reader[g] > known) {
                int64_t at = base + int64_t(g) * GRAIN;
                report({Finding::UNORDERED, instruction_of_[now_], operand, true, space, at, at + GRAIN, instruction_of_[reader[g]], false});
            }
    }
    std::fill(p.writer + from, p.writer + to, now_);
    p.written = true;
}

/// Findings that differ only in the bytes or the iteration are one.
void Sanitizer::report(Finding f) {
    std::array<uint32_t, 4> key = {uint32_t(f.kind) * 4 + uint32_t(f.write) * 2 + uint32_t(f.other_write), f.instruction,
                                   uint32_t(f.operand), f.kind == Finding::UNORDERED ? f.other : 0};
    auto [found, is_new] = keys_.try_emplace(key, findings_.size());
    if (!is_new) {
        if (found->second >= findings_.size()) return;
        Finding& known = findings_[found->second];
        known.begin = std::min(known.begin, f.begin);
        known.end = std::max(known.end, f.end);
    } else if (findings_.size() < KEPT) {
        findings_.push_back(f);
    } else {
        found->second = SIZE_MAX;
    }
}

}  // namespace focus
