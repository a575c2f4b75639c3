// Finds what hardware would not: reads of bytes that were never written or only before their contents were given up, and conflicting accesses from
// two units that no semaphore orders.
#pragma once
#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <span>
#include <vector>

#include "credits.h"
#include "isa.gen.h"

namespace focus {

/// Which bytes an operand touches: `rows` rows of `row_bytes`, `pitch` apart.
struct Region {
    isa::Space space;
    int64_t address, pitch, rows, row_bytes;
};

struct Finding {
    enum Kind { UNINITIALISED, STALE, UNORDERED } kind;
    uint32_t instruction;           // index in the program
    int operand;                    // memory operand, by number
    bool write;                     // what this instruction does to the bytes
    isa::Space space;
    int64_t begin, end;             // smallest range that holds all bytes concerned
    uint32_t other = 0;             // UNORDERED: the earlier instruction; STALE: the one (of several, any) that left the bytes behind
    bool other_write = false;
};

/// Vector clocks per unit, carried by semaphore credits, and for each two bytes of every memory the last writer and the last reader
/// of each unit.  A clock counts queued instructions in program order, the same numbers for all units.  Bytes whose contents have been given up
/// keep their last writer, so that a write or read which is not ordered after it is still found.
class Sanitizer {
  public:
    explicit Sanitizer(const Program& program);

    /// Bytes the host wrote before the run count as written.
    void host_write(int64_t begin, int64_t end);

    /// Calls f(begin, end) for the stretches of a byte range that hold something.
    void each_written(isa::Space space, int64_t begin, int64_t end, const std::function<void(int64_t, int64_t)>& f);

    /// What these bytes hold is given up: nothing later in program order may read them before it has written them.
    void give_up(isa::Space space, int64_t begin, int64_t end);

    /// The next instruction, which has taken its credits, starts on `unit`; everything the control unit has waited for has happened before.
    void begin(isa::Unit unit, uint32_t instruction);
    /// `unit` signals a semaphore at the end of its present instruction: a number that goes with the credit, to be given back to `take` or `drop`.
    uint32_t signal(isa::Unit unit, int semaphore);
    /// The number of a credit that the control unit sets.  It carries what every later instruction knows anyway.
    uint32_t initial();
    /// `unit` takes credits, whose numbers these are.  What they carry depends on who else signals and waits (credits.h).
    void take(isa::Unit unit, int semaphore, int64_t credits, std::span<const uint32_t> numbers);
    /// The control unit sets a semaphore.
    void set(int semaphore, int64_t credits);
    void drop(uint32_t number) { free_.push_back(number); }

    /// The present instruction reads and/or writes a region.
    void access(int operand, const Region& region, isa::Access kind);

    const std::vector<Finding>& findings() const { return findings_; }
    uint64_t total() const { return keys_.size(); }

  private:
    using Clock = std::array<uint32_t, isa::NUM_UNIT>;
    static constexpr int GRAIN = 2, PAGE_BYTES = 4096, GRAINS = PAGE_BYTES / GRAIN;
    static constexpr uint32_t HOST = 1;     // stamp of host writes; before every instruction
    static constexpr uint32_t GIVEN_UP = 1u << 31;          // beside the stamp of a writer
    static constexpr size_t KEPT = 100;

    struct Page {
        uint32_t writer[GRAINS] = {};
        bool written = false;               // since the whole page was given up
        std::unique_ptr<uint32_t[]> reader[isa::NUM_UNIT];
    };

    Page& page(isa::Space space, int64_t index);
    template <class F>
    void page_range(isa::Space space, int64_t address, int64_t bytes, F f);
    void read(int operand, isa::Space space, Page& p, int64_t base, int from, int to);
    void write(int operand, isa::Space space, Page& p, int64_t base, int from, int to);
    void check_writer(int operand, isa::Space space, const Page& p, int64_t base, int from, int to, bool writing);
    void report(Finding f);

    uint32_t snapshot(isa::Unit unit);
    void join(isa::Unit unit, const Clock& other);
    void join_found(isa::Unit unit);
    void join_counted(int semaphore, int64_t credits);

    bool ordered(uint32_t stamp) const { return stamp <= clocks_[int(unit_)][unit_of_[stamp]]; }

    std::vector<std::unique_ptr<Page>> pages_[isa::NUM_SPACE];
    std::array<Clock, isa::NUM_UNIT> clocks_{};
    std::vector<Clock> snapshots_;
    std::array<CreditRule, isa::NUM_SEMAPHORES + 1> rules_;
    // COUNTED semaphores: the clocks of all signals of each unit.
    struct Counted {
        std::array<std::vector<Clock>, isa::NUM_UNIT> signals;
        std::array<size_t, isa::NUM_UNIT> before{};     // of these, signalled before it was set last
        int64_t initial = 0, taken = 0;                 // since then
        bool unclear = false;                           // it was set while signals were possibly under way
    };
    std::map<int, Counted> counted_;
    // If there are SEARCHED semaphores: what each instruction surely has before it, in program order, and the clock of each unit after each of its
    // instructions.
    std::vector<Sure> found_;
    size_t next_found_ = 0;
    std::array<std::vector<Clock>, isa::NUM_UNIT> history_;
    std::vector<uint32_t> free_;
    std::vector<uint8_t> unit_of_;          // of each stamp
    std::vector<uint32_t> instruction_of_;  // of each stamp
    isa::Unit unit_ = isa::Unit::CTRL;
    uint32_t now_ = HOST;
    std::vector<Finding> findings_;
    std::map<std::array<uint32_t, 4>, size_t> keys_;    // kind, instruction, operand, other instruction (if unordered) -> finding
};

}  // namespace focus
