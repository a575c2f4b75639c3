// Which function executes an instruction: the one of its name.  One that the table has and the simulator has not does not link.
#include "../engine.h"

namespace focus {

Engine::Cost Engine::execute(const Decoded& d) {
    switch (d.op) {
        case isa::Op::sync: return {};
#define FOCUS_CASE(instruction) case isa::Op::instruction: return this->instruction(d);
        FOCUS_UNIT_INSTRUCTIONS(FOCUS_CASE)
#undef FOCUS_CASE
        default: fail(d, "no execution for this instruction");
    }
}

}  // namespace focus
