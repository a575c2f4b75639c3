// The simulator: one pass over the program in program order, which is a valid order of execution (a wait is always satisfied by an
// earlier signal).  Every instruction is executed at once, and its times follow from its unit, its queue, its semaphores and the bus.
#pragma once
#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "clock.h"
#include "control.h"
#include "counters.h"
#include "error.h"
#include "kernels.h"
#include "machine.h"
#include "memo.h"
#include "memory.h"
#include "program.h"
#include "replay.h"
#include "sanitizer.h"
#include "timing.h"

namespace focus {

/// One tile of a concentration site: where its visual rows begin among the site's, and how many rows it has.
struct SiteTile { int64_t row0, identity, visual; };

/// A place where the similarity concentrator works, with the trace recorded there.
struct Site {
    int64_t layer, width, slices, visual, count_base;
    std::string name;
    std::vector<SiteTile> tiles;
    std::vector<int32_t> retained, group;   // [visual], [visual][slices]
    std::vector<uint8_t> zero;              // [visual][slices]
};

/// A live range: bytes whose contents are given up after kernel number `last`, so that others may have their place.
struct LiveRange { isa::Space space; int64_t begin, end, last; };

/// Bytes of DRAM to keep as they are when kernel number `kernel` ends.
struct Capture { int64_t address, bytes, kernel; };

struct Options {
    bool functional = true, sanitize = false;
    int64_t step = 0;                               // what the step register holds
    bool replay = true;                             // without data: kernels and instructions like one that has been timed are not executed
    std::vector<std::vector<int32_t>> counts;       // per site, tile-major, when not functional
    size_t timeline = 0;                            // how many events to keep, of those that start in
    int64_t window_begin = 0, window_end = INT64_MAX / CYCLE;       // these cycles
    bool count_total = false;                       // whether tick needs the total
    int64_t max_instructions = INT64_MAX, max_bytes = INT64_MAX;    // the run's budget: instructions executed, bytes read and written
    std::vector<Capture> captures;                  // in the order of their kernels
    std::vector<std::array<int64_t, 2>> kept;       // DRAM ranges from which later runs may read what this one wrote, for the sanitizer
    std::function<void(int64_t done, int64_t total)> tick;  // called ten times a second; may throw, to stop the run
};

class Engine {
  public:
    /// `memory`: that of another engine whose DRAM this program shares, or null for one of its own.
    Engine(Program program, const Machine& machine, std::vector<Site> sites, std::vector<std::string> module_names, std::vector<LiveRange> lives,
           std::shared_ptr<Memory> memory = nullptr);

    void write(int64_t address, const uint8_t* data, int64_t n);
    void read(int64_t address, uint8_t* data, int64_t n);
    /// What DRAM bytes [begin, end) hold means nothing to later runs.
    void forget(int64_t begin, int64_t end) { memory_.forget(begin, end); }
    const std::shared_ptr<Memory>& memory() const { return shared_; }
    void run(Options options);

    const Counters& counters() const { return counters_; }
    const std::vector<Site>& sites() const { return sites_; }
    /// Of the last run, in the order of its options.
    const std::vector<std::vector<uint8_t>>& captured() const { return captured_; }
    const Sanitizer* sanitizer() const { return sanitizer_.get(); }
    const Program& program() const { return program_; }

  private:
    /// An operand with its address and extents resolved.
    struct Tile {
        isa::Space space;
        isa::DType dtype;
        int64_t address, pitch, rows, cols, row_bytes;
    };
    using Cost = focus::Cost;
    static Cost cost_of(timing::Span s) { return {s.occupied * CYCLE, s.finish * CYCLE}; }
    static Cost cost_of(int64_t cycles) { return {cycles * CYCLE, cycles * CYCLE}; }

    // the run (engine.cpp)
    void reset();
    void poll();
    void moves(int64_t bytes);
    [[noreturn]] void fail(const Decoded& d, const std::string& what) const;

    // control instructions (control.cpp)
    bool control(const Decoded& d);
    void set_agu(const Decoded& d);
    void set_grid(const Decoded& d);
    void end_kernel();
    void forget();
    int64_t count_instructions() const;

    // kernels timed before (replay.cpp)
    bool begin_kernel();
    void end_noted();
    void take(const Stretch& s, const Taken& taken);
    std::array<uint32_t, isa::NUM_SEMAPHORES + 1> credits() const;

    // queues, semaphores and the bus (clock.cpp)
    void issue(const Decoded& d);
    Cost outcome(const Decoded& d);
    int64_t wait(const Decoded& d, UnitState& unit);
    bool watched(int64_t start) const;
    void signal(const Decoded& d, int64_t time);
    void drain(const Decoded& d);
    void record(const Decoded& d, int64_t start, int64_t finish);

    // operands (operands.h, operands.cpp)
    bool has(const Decoded& d, int mem) const { return d.mems[mem] != isa::NO_AGU; }
    int64_t extent(const Decoded& d, int index) const;
    [[noreturn]] void refuse_extent(const Decoded& d, int index) const;
    [[noreturn]] void refuse_operand(const Decoded& d, int mem, const Tile& t) const;
    [[noreturn]] void refuse_count(const Decoded& d, int mem, int64_t count, int64_t rows) const;
    bool initialises(const Decoded& d) const { return d.init <= isa::ALWAYS && control_.first_from(d.init); }
    Tile resolve(const Decoded& d, int mem, int64_t rows, int64_t cols);
    Tile operand(const Decoded& d, int mem, int64_t rows, int64_t cols, isa::Access access);
    void touch(int mem, const Tile& t, isa::Access access);
    void show(int mem, const Tile& t, isa::Access access);
    void look_up(int mem, Tile t, int64_t first, int64_t rows, int64_t bytes);
    int64_t row_count(const Decoded& d, int mem, int64_t rows);
    uint8_t* data(const Tile& t, int64_t row = 0) { return memory_.at(t.space, t.address + row * t.pitch); }
    Rows rows_of(const Tile& t, int64_t row = 0) { return {data(t, row), t.pitch, t.dtype}; }

    // the units (units/): a function for each instruction, named as in the table, and what these share
    Cost execute(const Decoded& d);
#define FOCUS_DECLARE(instruction) Cost instruction(const Decoded& d);
    FOCUS_UNIT_INSTRUCTIONS(FOCUS_DECLARE)
#undef FOCUS_DECLARE
    Cost dma(const Decoded& d);
    void check_moved(const Decoded& d, const Tile& from, const Tile& to) const;
    static int64_t unique_rows(const uint16_t* map, int64_t rows);
    Cost transfer(isa::Stream stream, int64_t bytes, bool load);
    int64_t bursts(const Tile& t) const;
    void copy_rows(const Decoded& d, const Tile& src, const Tile& dst);
    Cost array_pass(const Decoded& d);
    const SiteTile& site_tile(const Decoded& d, Site& site, int64_t count_address, int64_t& tile, int64_t& slice);
    void check_ids(const Decoded& d) const;
    int64_t concentrate(const Decoded& d, const Tile& src, const Tile& table, int64_t visual, int64_t identity, Site& site, int64_t row0,
                        int64_t slice);
    static constexpr int MAX_BLOCK = isa::MAX_BLOCK_SIDE * isa::MAX_BLOCK_SIDE * isa::MAX_BLOCK_SIDE;   // vectors of a block
    struct Grid { int64_t first, frame_stride, height_stride, width_stride; };
    struct Neighbours { int64_t offset[MAX_BLOCK - 1]; int count; };
    void find_groups(const float* vectors, int64_t stride, int64_t n);
    int32_t group_of(int64_t row, const int32_t* candidates, const float* products, int count) const;
    Neighbours neighbours_of(const Grid& grid) const;
    int candidates_of(int64_t id, const std::vector<Neighbours>& neighbours, int32_t* out) const;
    Cost vector_cost(const Decoded& d, int64_t rows, int64_t cols);
    Scores scores_of(const Decoded& d, const Tile& from, const Tile& state, const Tile& to, const Tile& q, const Tile& k);
    Cost keep_softmax(const Decoded& d, int64_t nrows, bool init);

    Program program_;
    Machine machine_;
    std::vector<Site> sites_;
    std::vector<std::string> module_names_;         // for messages; may be empty
    std::vector<LiveRange> lives_;                  // in the order in which they end, for the sanitizer
    std::vector<std::vector<uint8_t>> captured_;
    std::shared_ptr<Memory> shared_;
    Memory& memory_;
    Options options_;
    std::unique_ptr<Sanitizer> sanitizer_;

    Memo memo_;
    Replay replay_;
    /// The kernel under way, if what it takes is noted: the counters when it began.
    struct Noted {
        const Stretch* stretch;
        std::string key;
        int64_t fetch, frontier;
        std::array<uint32_t, isa::NUM_SEMAPHORES + 1> credits;
        Taken before;
        std::array<int, isa::NUM_UNIT> first;           // why the first instruction of each unit waited
        Noted() { first.fill(-1); }
    };
    std::unique_ptr<Noted> noted_;

    // state of a run
    bool begins_ = false;                           // whether the next instruction is a kernel's first
    bool replays_ = false;                          // whether kernels and instructions timed before are not executed
    Control control_;
    Bus bus_;
    Counters counters_;
    std::array<Semaphore, isa::NUM_SEMAPHORES + 1> semaphores_;
    std::array<std::array<int64_t, isa::MAX_EXTS>, isa::NUM_OPS> most_;     // that each extent may be on this machine
    std::array<float, isa::NUM_SCALARS> scalars_{};
    std::map<std::pair<isa::Space, int64_t>, int64_t> columns_;        // that the moments at an address are of
    ModuleCounters* module_ = nullptr;
    bool seen_ = false;                             // whether the sanitizer or the time line is to see operands
    bool recording_ = false;                        // whether the instruction under way goes to the time line, as
    Event event_{};
    uint32_t pc_ = 0;
    int64_t fetch_ = 0, frontier_ = 0, total_ = 0;
    int64_t kernel_began_ = 0;                      // when the last kernel had ended
    int64_t kernel_ = 0;                            // kernels that have ended
    size_t lives_over_ = 0;                         // live ranges that have; counted for the sanitizer only
    std::chrono::steady_clock::time_point polled_;
    int64_t poll_at_ = 0;                           // number of instructions, and
    int64_t moved_ = 0, poll_moved_ = 0;            // bytes read and written so far, and how many of them
                                                    // it takes until the budget and the host are looked after

    // similarity concentrator
    float threshold_ = 0;
    int block_f_ = 1, block_h_ = 1, block_w_ = 1;
    std::vector<Grid> grids_;
    std::vector<int32_t> ids_, row_of_id_, group_, number_, members_;
    std::vector<float> norms_, vectors_, sums_;

    alignas(64) float weights_[isa::MAX_SIDE * isa::MAX_SIDE];      // in the array
};

}  // namespace focus
