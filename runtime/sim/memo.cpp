// See memo.h.
#include "memo.h"

#include <algorithm>

namespace focus {

using isa::Op;

const std::array<Memo::Facts, isa::NUM_OPS> Memo::FACTS = [] {
    std::array<Facts, isa::NUM_OPS> out{};
    for (size_t op = 0; op < out.size(); ++op) {
        const isa::Instruction& instr = isa::TABLE[op];
        Facts& facts = out[op];
        facts.keeps = instr.unit != isa::Unit::CTRL && instr.unit != isa::Unit::SIC && instr.unit != isa::Unit::SEC && instr.num_fields > 0;
        int mem = 0;
        for (const isa::Field* f = instr.fields; f != instr.fields + instr.num_fields; ++f) {
            facts.extents = int8_t(facts.extents + (f->kind == isa::Kind::EXT));
            if (f->kind != isa::Kind::MEM) continue;
            isa::Where where = isa::OPERANDS[op][mem].where;
            if (where == isa::Where::COUNTS) {
                facts.keeps = facts.keeps && f->access == isa::READ && facts.counts < 0;
                facts.counts = int8_t(mem);
            }
            if (where == isa::Where::DRAM) {
                facts.keeps = facts.keeps && facts.dram < 0;
                facts.dram = int8_t(mem);
            }
            ++mem;
        }
    }
    return out;
}();

void Memo::reset(const Program& program, int64_t burst) {
    program_ = &program;
    burst_ = burst;
    epoch_ = 1;
    checked_.assign(program.text.size(), Checked());
    entries_.assign(SLOTS, Entry());
    effects_.resize(SLOTS);
    used_.clear();
}

void Memo::keep(const Key& k, const Decoded& d, const Cost& cost, const Effects& effects, Counters& counters) {
    Checked& c = checked_[k.pc];
    if (c.epoch != epoch_) {
        c.epoch = epoch_;
        c.most.fill(INT64_MAX);
        c.mask.fill(0);
    }
    for (size_t i = 0; i < d.num_mems; ++i) {
        c.most[i] = std::min(c.most[i], most_[i]);
        c.mask[i] |= mask_[i];
    }
    size_t s = slot(k);
    Entry& e = entries_[s];
    if (e.times) effects_[s].add_to(counters, counters.modules[program_->text[e.key.pc].source], e.times);
    e = {k, cost};
    effects_[s] = effects;
}

void Memo::count(Counters& counters) {
    for (uint32_t s : used_) {
        Entry& e = entries_[s];
        if (!e.times) continue;                             // replaced, and counted then
        effects_[s].add_to(counters, counters.modules[program_->text[e.key.pc].source], e.times);
        e.times = 0;
    }
    used_.clear();
}

}  // namespace focus
