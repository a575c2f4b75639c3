// Takes instruction words apart and checks what needs no run.
#include "program.h"

#include <algorithm>
#include <cstring>

#include "error.h"

namespace focus {
namespace {

using isa::Kind;
using isa::Op;

constexpr uint32_t MAX_MODULES = 1 << 24;

/// Position in the table of each opcode, -1 for none.
std::array<int8_t, 1 << isa::OPCODE_BITS> opcode_positions() {
    std::array<int8_t, 1 << isa::OPCODE_BITS> out;
    out.fill(-1);
    for (int i = 0; i < isa::NUM_OPS; ++i) out[isa::TABLE[i].opcode] = int8_t(i);
    return out;
}

/// Takes a word apart field by field.
class WordReader {
  public:
    WordReader(const uint8_t* word, size_t index) : index_(index) { std::memcpy(&word_, word, 16); }

    Decoded run(uint32_t source) {
        static const auto positions = opcode_positions();
        const auto opcode = size_t(word_) & ((size_t(1) << isa::OPCODE_BITS) - 1);
        int position = positions[opcode];
        if (position < 0) throw Error(text("instruction %zu: unknown opcode 0x%02x", index_, unsigned(opcode)));
        instr_ = &isa::TABLE[position];
        d_.op = Op(position);
        d_.unit = instr_->unit;
        d_.source = source;
        int end = isa::OPCODE_BITS;
        for (int i = 0; i < instr_->num_fields; ++i) {
            const isa::Field& f = instr_->fields[i];
            take(f, int64_t(uint64_t(word_ >> f.at) & ((uint64_t(1) << f.bits) - 1)));
            end = f.at + f.bits;
        }
        if (end < 128 && word_ >> end) fail("reserved bits are set");
        keep_synchronisation();
        check();
        return d_;
    }

  private:
    [[noreturn]] void fail(const std::string& what) const {
        throw Error(text("instruction %zu (%s): %s", index_, instr_->mnemonic, what.c_str()));
    }

    void take(const isa::Field& f, int64_t v) {
        switch (f.kind) {
            case Kind::MEM:
                if (v == isa::NO_AGU && !f.optional) fail(text("needs operand '%s'", f.name));
                d_.mems[mems_++] = uint8_t(v);
                d_.num_mems = uint8_t(mems_);
                break;
            case Kind::EXT: d_.exts[exts_++] = uint8_t(v); break;
            case Kind::SCALAR: d_.scalars[scalars_++] = uint8_t(v); break;
            case Kind::ENUM:
                if (v >= f.enum_values) fail(text("field '%s' is %d, outside its enumeration", f.name, int(v)));
                d_.enums[enums_++] = uint8_t(v);
                break;
            case Kind::INIT:
                if (v > isa::ALWAYS && v != isa::NEVER) fail(text("field '%s' is %d: 0..7 or 15 expected", f.name, int(v)));
                d_.init = uint8_t(v);
                break;
            case Kind::SINT: value(f, v >> (f.bits - 1) ? v - (int64_t(1) << f.bits) : v); break;
            case Kind::SIDE: value(f, v ? v : int64_t(1) << f.bits); break;
            default: value(f, v);
        }
    }

    /// The first twelve values of a synchronised instruction are pairs of semaphore and depth, the rest are its own.
    void value(const isa::Field&, int64_t v) {
        if (instr_->synced && syncs_ < 12) sync_[syncs_++] = uint8_t(v);
        else d_.values[size_t(values_++)] = v;
    }

    void keep_synchronisation() {
        if (!instr_->synced) return;
        for (int i = 0; i < 3; ++i) {
            if (sync_[2 * i] != isa::NO_SEM) {
                d_.wait[d_.num_waits] = sync_[2 * i];
                d_.wait_depth[d_.num_waits++] = sync_[2 * i + 1];
            }
            if (sync_[6 + 2 * i] != isa::NO_SEM) {
                d_.signal[d_.num_signals] = sync_[6 + 2 * i];
                d_.signal_depth[d_.num_signals++] = sync_[6 + 2 * i + 1];
            }
        }
        if (d_.op == Op::sync) d_.unit = isa::Unit(d_.enums[isa::sync::unit]);
    }

    void in_range(const char* field, int64_t v, int64_t low, int64_t high) const {
        if (v < low || v > high) fail(text("field '%s' is %lld, outside %lld..%lld", field, (long long)v, (long long)low, (long long)high));
    }

    void check() const {
        switch (d_.op) {
            case Op::agu:
                in_range("id", d_.values[isa::agu::id], 0, isa::NUM_AGUS - 1);
                in_range("slots", d_.values[isa::agu::slots], 1, 15);
                break;
            case Op::agu_stride:
                in_range("id", d_.values[isa::agu_stride::id], 0, isa::NUM_AGUS - 1);
                in_range("level", d_.values[isa::agu_stride::level], 0, isa::MAX_LOOPS - 1);
                break;
            case Op::agu_step: in_range("id", d_.values[isa::agu_step::id], 0, isa::NUM_AGUS - 1); break;
            case Op::ext:
                if (d_.values[isa::ext::step]) in_range("level", d_.values[isa::ext::level], 0, isa::MAX_LOOPS - 1);
                break;
            case Op::sem: in_range("id", d_.values[isa::sem::id], 1, isa::NUM_SEMAPHORES); break;
            case Op::drain: in_range("id", d_.values[isa::drain::id], 1, isa::NUM_SEMAPHORES); break;
            case Op::sic_config: {
                float threshold = __builtin_bit_cast(float, uint32_t(d_.values[isa::sic_config::threshold]));
                // or a zero vector could join a group
                if (!(threshold >= 0)) fail(text("field 'threshold' is %g: at least 0 expected", double(threshold)));
                break;
            }
            case Op::sync: if (d_.unit == isa::Unit::CTRL) fail("field 'unit' is ctrl, which has no queue"); break;
            case Op::v_softmax: case Op::v_prob:
                if ((d_.mems[isa::v_prob::qpos] == isa::NO_AGU) != (d_.mems[isa::v_prob::kpos] == isa::NO_AGU))
                    fail("operands 'qpos' and 'kpos' come together or not at all");
                break;
            default: break;
        }
    }

    unsigned __int128 word_;
    size_t index_;
    const isa::Instruction* instr_ = nullptr;
    Decoded d_{};
    uint8_t sync_[12];
    int mems_ = 0, exts_ = 0, enums_ = 0, scalars_ = 0, values_ = 0, syncs_ = 0;
};

/// Matches loops with their ends.
void link_loops(std::vector<Decoded>& words) {
    std::vector<uint32_t> open;
    for (uint32_t i = 0; i < words.size(); ++i) {
        Decoded& d = words[i];
        if (d.op == Op::loop) {
            if (open.size() == size_t(isa::MAX_LOOPS)) throw Error(text("instruction %u (loop): loops nest at most %d deep", i, isa::MAX_LOOPS));
            open.push_back(i);
        } else if (d.op == Op::endloop) {
            if (open.empty()) throw Error(text("instruction %u (endloop): no loop is open", i));
            d.target = open.back() + 1;
            words[open.back()].target = i + 1;
            open.pop_back();
        } else if (d.op == Op::halt && i + 1 != words.size()) {
            throw Error(text("instruction %u (halt): the program goes on after it", i));
        }
    }
    if (!open.empty()) throw Error(text("instruction %u (loop): no matching endloop", open.back()));
}

/// Tells straight-line code where the next instruction stands that decides how often others run.
void link_flow(std::vector<Decoded>& words) {
    uint32_t next = 0;
    for (uint32_t i = uint32_t(words.size()); i-- > 0;) {
        Decoded& d = words[i];
        if (d.op == Op::loop || d.op == Op::endloop || d.op == Op::ext || d.op == Op::ext_step || d.op == Op::halt) next = i;
        else d.target = next;
    }
}

}  // namespace

Program Program::decode(const uint8_t* words, const uint32_t* source, size_t n) {
    Program out;
    out.text.reserve(n);
    for (size_t i = 0; i < n; ++i) {
        out.text.push_back(WordReader(words + 16 * i, i).run(source[i]));
        if (source[i] >= MAX_MODULES) throw Error(focus::text("instruction %zu: module %u; at most %u are possible", i, source[i], MAX_MODULES));
        out.num_modules = std::max(out.num_modules, source[i] + 1);
    }
    link_loops(out.text);
    if (n == 0 || out.text.back().op != Op::halt) throw Error("the program does not end with halt");
    link_flow(out.text);
    return out;
}

/// Name of the index-th field of a kind.
static const char* field_name(isa::Op op, Kind kind, int index) {
    const isa::Instruction& instr = isa::TABLE[int(op)];
    for (int i = 0; i < instr.num_fields; ++i)
        if (instr.fields[i].kind == kind && index-- == 0) return instr.fields[i].name;
    return "?";
}

const char* operand_name(isa::Op op, int index) { return field_name(op, Kind::MEM, index); }
const char* extent_name(isa::Op op, int index) { return field_name(op, Kind::EXT, index); }

}  // namespace focus
