// Which unit's function executes an instruction.
#include "../engine.h"

namespace focus {

using isa::Op;

Engine::Cost Engine::execute(const Decoded& d) {
    switch (d.op) {
        case Op::sync: return {};
        case Op::load: return dma(d, true);
        case Op::store: return dma(d, false);
        case Op::expand: return expand(d);
        case Op::gather: return gather(d);
        case Op::mm: case Op::mm_kn: return array_pass(d);
        case Op::scatter: return scatter(d);
        case Op::sic_gather: return sic_gather(d);
        case Op::sec_importance: return sec_importance(d);
        case Op::sec_topk: return sec_topk(d);
        case Op::sec_select: return sec_select(d);
        case Op::v_map: return v_map(d);
        case Op::v_zip: return v_zip(d);
        case Op::v_reduce: return v_reduce(d);
        case Op::v_stats: return v_stats(d);
        case Op::v_normalize: return v_normalize(d);
        case Op::v_rope: return v_rope(d);
        case Op::v_softmax: return v_softmax(d);
        case Op::v_prob: return v_prob(d);
        case Op::v_rescale: return v_rescale(d);
        case Op::v_finish: return v_finish(d);
        default: fail(d, "no execution for this instruction");
    }
}

}  // namespace focus
