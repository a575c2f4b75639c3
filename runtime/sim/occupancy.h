// How full an on-chip memory is over time: which of its blocks hold something that is still to be read.
#pragma once
#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include "isa.gen.h"

namespace focus {

/// From accesses in program order: when the number of full blocks changes, and by how many.  A block is full from the start of the instruction that
/// writes it to the end of the last one that reads it before it is written anew.
class Occupancy {
  public:
    Occupancy(int64_t size, int64_t block) : block_(block), first_(size_t((size + block - 1) / block), -1), last_(first_.size(), -1) {}

    void access(int64_t begin, int64_t end, int64_t start, int64_t finish, int kind) {
        size_t from = size_t(begin / block_), to = std::min(first_.size(), size_t((end + block_ - 1) / block_));
        if (kind & isa::READ)
            for (size_t b = from; b < to; ++b)
                if (first_[b] >= 0) last_[b] = std::max(last_[b], finish);
        if (kind != isa::WRITE) return;
        give_up(from, to);
        for (size_t b = from; b < to; ++b)
            if (first_[b] < 0) first_[b] = start;
    }

    /// (time, change), sorted; changes at one time are one.
    std::vector<std::pair<int64_t, int64_t>> changes() {
        give_up(0, first_.size());
        std::sort(changes_.begin(), changes_.end());
        std::vector<std::pair<int64_t, int64_t>> out;
        for (const auto& [time, change] : changes_) {
            if (out.empty() || out.back().first != time) out.push_back({time, 0});
            out.back().second += change;
        }
        return out;
    }

  private:
    /// What has been read is over in these blocks; what has not is still to be.
    void give_up(size_t from, size_t to) {
        for (size_t b = from; b < to;) {
            size_t run = b + 1;
            while (run < to && first_[run] == first_[b] && last_[run] == last_[b]) ++run;
            if (last_[b] >= 0) {
                changes_.push_back({first_[b], int64_t(run - b)});
                changes_.push_back({last_[b], -int64_t(run - b)});
                std::fill(first_.begin() + int64_t(b), first_.begin() + int64_t(run), -1);
                std::fill(last_.begin() + int64_t(b), last_.begin() + int64_t(run), -1);
            }
            b = run;
        }
    }

    int64_t block_;
    std::vector<int64_t> first_, last_;             // of what is in each block: begin of its writing, end of its reading; -1 for none
    std::vector<std::pair<int64_t, int64_t>> changes_;
};

}  // namespace focus
