// The control unit's state: loops, address generators, extents.  Values are kept current as counters step, so reading one is a load.
#pragma once
#include <cstdint>

#include "isa.gen.h"
#include "program.h"

namespace focus {

/// An address generator; `address` is its present value, ring slot included.
struct Agu {
    int64_t address = 0;
    int64_t pitch = 0;
    isa::Space space = isa::Space::DRAM;
    isa::DType dtype = isa::DType::F16;
    bool set = false;
    bool used = false;      // since its ring last stepped
    uint8_t slot = 0, slots = 1, ring_level = isa::ALWAYS;
    int64_t slot_bytes = 0;
    int64_t stride[isa::MAX_LOOPS] = {};
};

struct Extent {
    int64_t value = 0;
    bool set = false;
    int64_t full = 0, total = 0, step = 0;
    int level = 0;
};

/// The extent that an `ext` instruction sets.
inline Extent extent_of(const Decoded& d) {
    Extent e;
    e.full = d.values[isa::ext::full];
    e.total = d.values[isa::ext::total];
    e.step = d.values[isa::ext::step];
    e.level = int(d.values[isa::ext::level]);
    return e;
}

/// A set of small numbers.
template <int Words>
struct Bits {
    uint64_t word[Words] = {};
    void put(int i, bool on) {
        uint64_t bit = uint64_t(1) << (i & 63);
        word[i >> 6] = on ? word[i >> 6] | bit : word[i >> 6] & ~bit;
    }
    template <class F>
    void each(F f) const {
        for (int w = 0; w < Words; ++w)
            for (uint64_t rest = word[w]; rest; rest &= rest - 1) f(w * 64 + __builtin_ctzll(rest));
    }
};

class Control {
  public:
    int nesting() const { return nesting_; }

    /// True when the counters of all open loops at levels >= depth are in their first (last) iteration.
    bool first_from(int depth) const { return depth >= first_[nesting_]; }
    bool last_from(int depth) const { return depth >= last_[nesting_]; }

    const Agu& agu(int id) const { return agus_[id]; }
    /// Notes the generators of an instruction's operands, whether or not its extents leave it anything to do.
    void use_agus(const uint8_t* ids, int count) {
        for (int i = 0; i < count; ++i) agus_[ids[i]].used = true;
    }
    const Extent& extent(int id) const { return extents_[id]; }

    void set_agu(int id, const Agu& value) {
        Agu& a = agus_[id];
        a = value;
        a.set = true;
        for (int l = 0; l < isa::MAX_LOOPS; ++l) {
            strided_[l].put(id, false);
            ringed_[l].put(id, a.ring_level == l && a.slots > 1);
        }
    }

    void set_stride(int id, int level, int64_t stride) {
        Agu& a = agus_[id];
        a.address += (stride - a.stride[level]) * counter_[level];
        a.stride[level] = stride;
        strided_[level].put(id, stride != 0);
    }

    void shift_agu(int id, int64_t bytes) { agus_[id].address += bytes; }
    void shift_extent(int id, int64_t less) {
        extents_[id].total -= less;
        refresh(extents_[id]);
    }

    void set_extent(int id, const Extent& value) {
        Extent& e = extents_[id];
        e = value;
        e.set = true;
        for (int l = 0; l < isa::MAX_LOOPS; ++l) stepped_[l].put(id, e.step != 0 && e.level == l);
        refresh(e);
    }

    /// Opens a loop of at least one trip.
    void open(int64_t trips) {
        trips_[nesting_] = trips;
        ++nesting_;
        note_position();
    }

    /// Ends one iteration of the innermost loop; true when there is another.
    bool next() {
        int level = nesting_ - 1;
        ringed_[level].each([&](int id) { step_ring(agus_[id]); });
        if (counter_[level] + 1 < trips_[level]) {
            set_counter(level, counter_[level] + 1);
            note_position();
            return true;
        }
        set_counter(level, 0);
        --nesting_;
        return false;
    }

  private:
    /// Rings step only at the end of bodies that used them, so loops beside each other at one level do not step each other's.
    static void step_ring(Agu& a) {
        if (!a.used) return;
        a.used = false;
        if (++a.slot < a.slots) {
            a.address += a.slot_bytes;
        } else {
            a.address -= a.slot_bytes * (a.slots - 1);
            a.slot = 0;
        }
    }

    void refresh(Extent& e) {
        int64_t v = e.total - e.step * counter_[e.level];
        e.value = v < 0 ? 0 : v > e.full ? e.full : v;
    }

    void set_counter(int level, int64_t value) {
        int64_t delta = value - counter_[level];
        if (delta == 0) return;
        counter_[level] = value;
        strided_[level].each([&](int id) { agus_[id].address += agus_[id].stride[level] * delta; });
        stepped_[level].each([&](int id) { refresh(extents_[id]); });
    }

    /// After the innermost counter moved: from which depth on all open loops are in their first and in their last iteration.
    void note_position() {
        int level = nesting_ - 1;
        first_[nesting_] = counter_[level] == 0 ? first_[level] : nesting_;
        last_[nesting_] = counter_[level] + 1 == trips_[level] ? last_[level] : nesting_;
    }

    Agu agus_[isa::NUM_AGUS + 1];     // the last stands for absent operands
    Extent extents_[isa::NUM_EXTENTS];
    Bits<(isa::NUM_AGUS + 63) / 64> strided_[isa::MAX_LOOPS], ringed_[isa::MAX_LOOPS];
    Bits<1> stepped_[isa::MAX_LOOPS];
    int64_t counter_[isa::MAX_LOOPS + 1] = {}, trips_[isa::MAX_LOOPS] = {};
    int first_[isa::MAX_LOOPS + 1] = {}, last_[isa::MAX_LOOPS + 1] = {};
    int nesting_ = 0;
};

}  // namespace focus
