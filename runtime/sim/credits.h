// Which signals are surely behind a unit when it has taken a credit.  In: a program.  Out: for each take, what it surely carries.
//
// Credits are alike: a unit that waits goes on with whichever is there.  Where one unit signals a semaphore and one waits for it, the n-th credit
// taken is the n-th signalled.  Otherwise only the count is sure: as many signals as credits have been taken.
#pragma once
#include <array>
#include <cstdint>
#include <vector>

#include "isa.gen.h"
#include "program.h"

namespace focus {

/// How many signals of each unit (of one semaphore, since the run began) are surely done when a credit has been taken.
using Sure = std::array<uint32_t, isa::NUM_UNIT>;

/// How the orders that a semaphore makes are found.
enum class CreditRule : uint8_t {
    IN_TURN,        // one unit signals, one waits: credits are taken in the order in which they were signalled
    COUNTED,        // several signal, and the control unit alone takes: what is signalled later was not fetched yet
    SEARCHED,       // several units signal or wait: `search`
};

/// The rule of each semaphore.  A semaphore may serve other units in another kernel: what counts is who uses it between two ends of kernels (drains
/// with `end` outside of loops, at which everything has been taken and signalled).
std::array<CreditRule, isa::NUM_SEMAPHORES + 1> credit_rules(const Program& program);

/// What each take of a SEARCHED semaphore surely carries, in program order.
///
/// For the K-th credit that is taken, K signals are done.  Of unit A at least the first K - initial - P are among them, where P is how many signals
/// all other units can have made by then: those that are not surely after the take.  Every order found makes K larger and P smaller for others, so
/// this is repeated until nothing changes.  Ends early where there are too many instructions between two points at which all is known; whatever is
/// taken from there on carries nothing.
std::vector<Sure> search(const Program& program, const std::array<CreditRule, isa::NUM_SEMAPHORES + 1>& rules);

}  // namespace focus
