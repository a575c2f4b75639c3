// On-chip memories and DRAM.
#pragma once
#include <array>
#include <cstdint>
#include <memory>
#include <set>
#include <string>

#include "isa.gen.h"
#include "machine.h"

namespace focus {

/// Bytes of every memory.  DRAM is an anonymous mapping that grows to the highest address used; pages never touched cost nothing and
/// read as zero.  The programs of several engines may share one.
class Memory {
  public:
    explicit Memory(const Machine& machine) : machine_(machine) { unite(); }
    ~Memory();
    Memory(const Memory&) = delete;
    Memory& operator=(const Memory&) = delete;

    /// Zeroes the on-chip memories; without `data` only the count memory exists.
    void reset(bool data);

    /// Makes DRAM bytes [0, end) addressable.  Pointers into DRAM from before are invalid afterwards.
    void grow(int64_t end);

    uint8_t* at(isa::Space space, int64_t address) { return (space == isa::Space::DRAM ? dram_ : chip_[int(space)].get()) + address; }
    /// Bytes that may be addressed: of a part of the scratchpad, what the kernel has given it.
    int64_t size(isa::Space space) const { return sizes_[int(space)]; }

    /// Gives a memory `bytes` of the scratchpad from `base` on; what is wrong with that, or an empty text.
    std::string part(isa::Space space, int64_t base, int64_t bytes);

    /// Takes all parts back.
    void unite();

    /// DRAM ranges that hold values when a run begins, for the sanitizer: what the host wrote, and what earlier runs left.
    const std::set<std::array<int64_t, 2>>& held() const { return held_; }
    void hold(int64_t begin, int64_t end) { held_.insert({begin, end}); }
    /// What is there in [begin, end) means nothing any more.
    void forget(int64_t begin, int64_t end);

  private:
    Machine machine_;
    std::set<std::array<int64_t, 2>> held_;
    std::unique_ptr<uint8_t[]> chip_[isa::NUM_SPACE];
    struct Part { int64_t base = 0, bytes = 0; };
    Part parts_[isa::NUM_SPACE];
    int64_t sizes_[isa::NUM_SPACE];
    uint8_t* dram_ = nullptr;
    int64_t mapped_ = 0;
};

}  // namespace focus
