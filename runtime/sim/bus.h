// The DRAM bus, shared by loads and stores.
#pragma once
#include <algorithm>
#include <cstdint>
#include <vector>

#include "machine.h"

namespace focus {

/// Who has the bus when.  Instructions are simulated in program order, so a store may ask for time before that of a load which has
/// already been served.  Each of the two users asks for ever later times; what one has claimed matters to the other until the
/// other's time has passed it.  So each user's claims stand in a queue which the other consumes: constant time per transfer on
/// average.  The queue is bounded; when it is full its two oldest claims merge, which only ever makes the other user wait.
class Bus {
  public:
    enum User { LOAD, STORE };

    /// Takes `duration` ticks of free bus time from `earliest` on, in pieces between the other user's claims; returns when it ends.
    int64_t transfer(User user, int64_t earliest, int64_t duration) {
        Claims& theirs = claims_[1 - user];
        while (!theirs.empty() && theirs.front().end <= earliest) theirs.pop();
        int64_t now = earliest;
        while (duration > 0) {
            int64_t room = theirs.empty() ? duration : theirs.front().begin - now;
            if (room > 0) {
                int64_t piece = std::min(room, duration);
                claims_[user].push({now, now + piece});
                now += piece;
                duration -= piece;
            } else {
                now = theirs.front().end;
                theirs.pop();
            }
        }
        return now;
    }

    /// A kernel begins: all claims lie before it.
    void forget() {
        for (Claims& claims : claims_) claims.clear();
    }

    void reset() { claims_[0] = claims_[1] = Claims(); }

  private:
    struct Claim { int64_t begin, end; };

    class Claims {
      public:
        bool empty() const { return count_ == 0; }
        void clear() { first_ = count_ = 0; }
        Claim& front() { return ring_[first_]; }
        void pop() { first_ = (first_ + 1) % CAPACITY; --count_; }
        void push(Claim c) {
            if (count_ && back().end == c.begin) {
                back().end = c.end;
                return;
            }
            if (count_ == CAPACITY) {
                int64_t begin = front().begin;
                pop();
                front().begin = begin;
            }
            ++count_;
            back() = c;
        }

      private:
        static constexpr uint32_t CAPACITY = 1 << 14;
        Claim& back() { return ring_[(first_ + count_ - 1) % CAPACITY]; }
        std::vector<Claim> ring_ = std::vector<Claim>(CAPACITY);
        uint32_t first_ = 0, count_ = 0;
    };

    Claims claims_[2];
};

}  // namespace focus
