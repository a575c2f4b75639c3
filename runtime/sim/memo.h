// What unit instructions did before.  In a run without data, what an instruction takes and counts depends on its extents, on the row count it reads,
// and on where its operand in DRAM lies within a burst; so of those that are alike only the first is executed.
//
// In: an instruction, and the control unit's state when it is issued.  Out: what it takes, and, once for many of them, what they add to the counters.
#pragma once
#include <algorithm>
#include <array>
#include <cstdint>
#include <cstring>
#include <type_traits>
#include <vector>

#include "control.h"
#include "counters.h"
#include "memory.h"
#include "program.h"

namespace focus {

/// What an instruction takes: ticks of its unit until the next may start and until its result is there, or bytes of bus time.
struct Cost {
    int64_t occupied = 0, finish = 0;
    int64_t bus_bytes = -1;
};

class Memo {
  public:
    /// What the outcome of an instruction depends on.
    struct Key {
        uint64_t epoch = 0;                             // of generators and parts, and whether it initialises what it accumulates into
        uint32_t pc = UINT32_MAX;
        int32_t count = 0;                              // rows that the count memory says
        int32_t place = 0;                              // of its operand in DRAM, within a burst
        std::array<int32_t, isa::MAX_EXTS> extents{};
        bool operator==(const Key& o) const { return !std::memcmp(this, &o, sizeof *this); }
    };
    void reset(const Program& program, int64_t burst);

    /// Whether outcomes of this instruction are kept: not of those that write row counts, or whose traffic depends on more.
    static bool keeps(isa::Op op) { return FACTS[size_t(op)].keeps; }
    /// Address generators, or parts of the scratchpad, are about to change in more than addresses: what was checked of operands may not hold.
    void changed() { ++epoch_; }

    Key key(const Decoded& d, uint32_t pc, const Control& control, Memory& memory, bool first) const {
        const Facts& facts = FACTS[size_t(d.op)];
        Key k;
        k.pc = pc;
        k.epoch = epoch_ << 1 | uint64_t(first);
        for (int i = 0; i < facts.extents; ++i) k.extents[size_t(i)] = int32_t(control.extent(d.exts[i]).value);
        if (facts.counts >= 0 && d.mems[facts.counts] != isa::NO_AGU) {
            int64_t address = control.agu(d.mems[facts.counts]).address;
            uint16_t count = 0;                         // where it is refused if it is read
            if (address >= 0 && address <= memory.size(isa::Space::COUNTS) - 2) std::memcpy(&count, memory.at(isa::Space::COUNTS, address), 2);
            k.count = count;
        }
        if (facts.dram >= 0) k.place = place(control.agu(d.mems[facts.dram]).address);
        return k;
    }

    /// Whether operands of the instruction at `pc` have been checked as they now are, wherever in their memories they lie.
    bool checked(const Decoded& d, uint32_t pc, const Control& control) const {
        const Checked& c = checked_[pc];
        if (c.epoch != epoch_) return false;
        for (int i = 0; i < d.num_mems; ++i) {
            uint64_t address = uint64_t(control.agu(d.mems[i]).address);
            if (address > uint64_t(c.most[i]) || address & c.mask[i]) return false;
        }
        return true;
    }
    /// What an instruction with that key took, if it is known; then its effects will be counted once more.
    const Cost* take(const Key& k) {
        size_t s = slot(k);
        Entry& e = entries_[s];
        if (!(e.key == k)) return nullptr;
        if (!e.times++) used_.push_back(uint32_t(s));
        return &e.cost;
    }

    /// An operand of the instruction under way is checked; it could lie at any address from 0 to `most`, in multiples of an element's bytes.
    void bound(int mem, int64_t most, int64_t element) {
        most_[size_t(mem)] = std::min(most_[size_t(mem)], most);
        mask_[size_t(mem)] = uint8_t(element - 1);
    }
    /// Begins to note an instruction; then its operands are bounded, and `keep` ends it.
    void begin() {
        most_.fill(INT64_MAX);
        mask_.fill(0);
    }
    void keep(const Key& k, const Decoded& d, const Cost& cost, const Effects& effects, Counters& counters);

    /// Adds to the counters what the instructions that were not executed would have.
    void count(Counters& counters);

  private:
    struct Entry {
        Key key;
        Cost cost;
        int64_t times = 0;                              // that it was taken since effects were last counted
    };
    struct Facts { bool keeps = false; int8_t extents = 0, counts = -1, dram = -1; };
    static const std::array<Facts, isa::NUM_OPS> FACTS;

    struct Checked {
        uint64_t epoch = 0;
        std::array<int64_t, isa::MAX_MEMS> most{};
        std::array<uint8_t, isa::MAX_MEMS> mask{};
    };
    static constexpr size_t SLOTS = size_t(1) << 14;

    /// Where in a burst an address is.
    int32_t place(int64_t address) const { return int32_t(burst_ & (burst_ - 1) ? address % burst_ : address & (burst_ - 1)); }
    static size_t slot(const Key& k) {
        uint64_t h = k.pc * 0x9e3779b97f4a7c15u + uint64_t(k.count) * 0xc2b2ae3d27d4eb4fu + uint64_t(k.place) * 0x165667b19e3779f9u + k.epoch;
        for (int32_t e : k.extents) h = (h ^ uint64_t(uint32_t(e))) * 0x9fb21c651e98df25u;
        return h >> 50;
    }
    static_assert(std::has_unique_object_representations_v<Key>);       // compared as bytes
    static_assert(SLOTS == size_t(1) << (64 - 50));

    const Program* program_ = nullptr;
    int64_t burst_ = 1;
    uint64_t epoch_ = 1;
    std::vector<Checked> checked_;                      // of each instruction of the program
    std::vector<Entry> entries_;
    std::vector<Effects> effects_;                      // of each entry
    std::vector<uint32_t> used_;                        // entries that were taken since effects were last counted
    std::array<int64_t, isa::MAX_MEMS> most_{};
    std::array<uint8_t, isa::MAX_MEMS> mask_{};
};

}  // namespace focus
