// Which signals have surely happened when a unit has taken a credit.  In: a program.  Out: for each take, what it surely carries.
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

/// How many instructions of each unit are surely done, counted since the run began; of the control unit, settings of semaphores and drains.
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

/// What each instruction of a unit, and each drain, surely has before it when it starts, in program order; empty if no semaphore is SEARCHED.
///
/// When K credits have surely been taken, K - initial signals are done.  Which ones is open: those that are surely after the instruction are not among
/// them, and a signal does not come without those it has before it itself.  What all such sets have in common is sure.  Where there are too many
/// sets, signals are only counted: of unit A, at least K - initial less all that other units can have made.
///
/// At first each instruction is taken to have all before it that program order has; what does not follow from what the others have is given up, until
/// nothing changes.  What is left is true in every run: of the first instruction in time for which it were not, those that it follows from came
/// earlier.  Ends early where there are too many instructions between two points at which all is known; what is taken from there on carries nothing.
std::vector<Sure> search(const Program& program, const std::array<CreditRule, isa::NUM_SEMAPHORES + 1>& rules);

}  // namespace focus
