// What decides when an instruction starts and finishes: its unit's queue, its semaphores and the bus (bus.h).
#pragma once
#include <cstdint>
#include <vector>

#include "bus.h"
#include "isa.gen.h"
#include "machine.h"

namespace focus {

enum Stall { DRAM_STALL, SEMAPHORE_STALL, SCATTER_STALL, SIC_STALL, SFU_STALL, QUEUE_STALL, NUM_STALLS };
constexpr const char* STALL_NAMES[NUM_STALLS] = {"dram", "semaphore", "scatter", "sic", "sfu", "queue"};

/// A unit's clock and what it did.  Times in ticks.
struct UnitState {
    int64_t free = 0;                       // when the next instruction may start
    int64_t finished = 0;                   // when the last one has finished
    std::vector<int64_t> started;           // of the last queue_depth instructions, a ring
    uint32_t head = 0;
    uint64_t instructions = 0;
    int64_t busy = 0;
    int64_t stall[NUM_STALLS] = {};
};

struct Credit {
    int64_t time;
    isa::Unit unit;
    uint32_t snapshot;                      // of the sanitizer
    int64_t event;                          // on the time line, or -1
};

/// Credits of one semaphore, first signalled first taken.
class Semaphore {
  public:
    uint32_t count() const { return count_; }
    void put(const Credit& c) {
        if (count_ == ring_.size()) grow();
        ring_[(first_ + count_++) & (ring_.size() - 1)] = c;
    }
    Credit take() {
        Credit c = ring_[first_];
        first_ = (first_ + 1) & uint32_t(ring_.size() - 1);
        --count_;
        return c;
    }

  private:
    void grow();
    std::vector<Credit> ring_ = std::vector<Credit>(16);
    uint32_t first_ = 0, count_ = 0;
};

}  // namespace focus
