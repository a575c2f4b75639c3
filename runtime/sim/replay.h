// Kernels that have been timed before.  When a kernel begins with all units idle, nothing of the kernels before it is under way, so its times count
// from its first fetch.  Two kernels whose instructions, and whatever else they depend on, are the same take the same times, wherever their operands
// lie in DRAM; so in a run without data the second need not be executed.
//
// In: the program's kernels and the control unit's state when one begins.  Out: a key that says all that its times depend on, and what it took.
#pragma once
#include <array>
#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "control.h"
#include "counters.h"
#include "program.h"

namespace focus {

/// The instructions from a kernel's first to the drain that ends it, as far as they say by themselves what times depend on.
struct Stretch {
    uint32_t begin = 0, end = 0;            // pc of the first instruction, and after the drain
    bool alike = false;                     // whether its times depend on nothing but what follows here, and the step register if it counts that
    bool steps = false;
    uint32_t source = 0;                    // its only module
    std::string words;                      // its instructions; of addresses in DRAM only where they begin within a burst
    std::vector<uint8_t> agus, extents, scalars, semaphores;    // that it uses and did not set up before
    std::vector<uint32_t> set_up;           // control instructions that leave something behind

    static Stretch of(const Program& program, uint32_t begin, int64_t burst);
};

/// What a kernel took, in times from its first fetch.
struct Taken {
    int64_t fetched = 0, frontier = 0;      // when the fetch of the next kernel begins, and when the last result was there
    int64_t instructions = 0;
    std::array<int64_t, isa::NUM_OPS> by_op{};
    struct Unit {
        int64_t free = 0, finished = 0, instructions = 0, busy = 0;
        std::array<int64_t, NUM_STALLS> stall{};
        int first = -1;                     // why its first instruction waited; before the kernel the unit was idle for that reason too
    };
    std::array<Unit, isa::NUM_UNIT> units;
    Effects effects;
};

/// The kernels of one program that have been timed, over all its runs.
class Replay {
  public:
    /// The stretch of instructions that begins at `pc`.
    const Stretch& stretch(const Program& program, uint32_t pc, int64_t burst);
    /// All that the times of a kernel depend on.  `idle`: how long ago the last result of the kernels before it was there.
    static std::string key(const Stretch& s, const Control& control, const std::array<float, isa::NUM_SCALARS>& scalars,
                           const std::array<uint32_t, isa::NUM_SEMAPHORES + 1>& credits, int64_t step, int64_t idle, int64_t burst);
    const Taken* find(const std::string& key) const {
        auto it = taken_.find(key);
        return it == taken_.end() ? nullptr : &it->second;
    }
    void keep(const std::string& key, const Taken& taken) {
        if (taken_.size() < MOST) taken_.emplace(key, taken);
    }

  private:
    static constexpr size_t MOST = 20000;
    std::unordered_map<uint32_t, Stretch> stretches_;
    std::unordered_map<std::string, Taken> taken_;
};

}  // namespace focus
