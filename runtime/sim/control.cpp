// Control instructions: loops, address and extent generators, scalars, credits, the similarity concentrator's settings, ends of kernels.
// They act when they are fetched.
#include "control.h"

#include <algorithm>

#include "operands.h"

namespace focus {

using isa::DType;
using isa::Op;
using isa::Space;
using isa::Unit;

/// Executes a control instruction and moves on; false at the end of the program.
bool Engine::control(const Decoded& d) {
    const auto& v = d.values;
    switch (d.op) {
        case Op::halt: return false;
        case Op::loop: {
            int64_t trips = extent(d, isa::loop::trips);
            if (trips > 0) control_.open(trips);
            pc_ = trips > 0 ? pc_ + 1 : d.target;
            return true;
        }
        case Op::endloop: pc_ = control_.next() ? d.target : pc_ + 1; return true;
        case Op::agu: set_agu(d); break;
        case Op::agu_stride: {
            int id = int(v[isa::agu_stride::id]);
            if (!control_.agu(id).set) fail(d, text("address generator %d gets a stride before it is set up", id));
            control_.set_stride(id, int(v[isa::agu_stride::level]), v[isa::agu_stride::stride]);
            break;
        }
        case Op::agu_step: {
            int id = int(v[isa::agu_step::id]);
            if (!control_.agu(id).set) fail(d, text("address generator %d counts the step before it is set up", id));
            control_.shift_agu(id, v[isa::agu_step::stride] * options_.step);
            break;
        }
        case Op::ext: control_.set_extent(int(v[isa::ext::id]), extent_of(d)); break;
        case Op::ext_step: {
            int id = int(v[isa::ext_step::id]);
            if (!control_.extent(id).set) fail(d, text("extent %d counts the step before it is set up", id));
            control_.shift_extent(id, v[isa::ext_step::less] * options_.step);
            break;
        }
        case Op::scalar: scalars_[d.scalars[isa::scalar::id]] = __builtin_bit_cast(float, uint32_t(v[isa::scalar::value])); break;
        case Op::sem: {
            Semaphore& s = semaphores_[size_t(v[isa::sem::id])];
            while (s.count()) if (Credit c = s.take(); sanitizer_) sanitizer_->drop(c.snapshot);
            for (int64_t i = 0; i < v[isa::sem::credits]; ++i) s.put({fetch_, Unit::CTRL, sanitizer_ ? sanitizer_->initial() : 0});
            if (sanitizer_) sanitizer_->set(int(v[isa::sem::id]), v[isa::sem::credits]);
            break;
        }
        case Op::drain: drain(d); break;
        case Op::sic_config:
            threshold_ = __builtin_bit_cast(float, uint32_t(v[isa::sic_config::threshold]));
            block_f_ = int(v[isa::sic_config::block_f]), block_h_ = int(v[isa::sic_config::block_h]), block_w_ = int(v[isa::sic_config::block_w]);
            break;
        case Op::sic_grid: set_grid(d); break;
        case Op::part:
            memo_.changed();
            if (std::string wrong = memory_.part(Space(d.enums[isa::part::space]), v[isa::part::base], v[isa::part::bytes]); !wrong.empty()) fail(d, wrong);
            break;
        default: fail(d, "no execution for this control instruction");
    }
    ++pc_;
    return true;
}

void Engine::set_agu(const Decoded& d) {
    const auto& v = d.values;
    Agu a;
    a.address = v[isa::agu::base];
    a.pitch = v[isa::agu::pitch];
    a.space = Space(d.enums[isa::agu::space]);
    a.dtype = DType(d.enums[isa::agu::dtype]);
    a.slots = uint8_t(v[isa::agu::slots]);
    a.slot_bytes = v[isa::agu::slot_bytes];
    a.ring_level = uint8_t(v[isa::agu::ring_level]);
    int id = int(v[isa::agu::id]);
    const Agu& before = control_.agu(id);
    if (!before.set || before.space != a.space || before.dtype != a.dtype || before.pitch != a.pitch) memo_.changed();
    control_.set_agu(id, a);
}

void Engine::set_grid(const Decoded& d) {
    const auto& v = d.values;
    size_t index = size_t(v[isa::sic_grid::index]);
    if (index == 0) grids_.clear();
    if (index != grids_.size()) fail(d, text("grid %zu is set, but grid %zu comes next", index, grids_.size()));
    grids_.push_back({v[isa::sic_grid::first], v[isa::sic_grid::frame_stride], v[isa::sic_grid::height_stride], v[isa::sic_grid::width_stride]});
}

/// Gives up what the kernel left on chip, and in the places whose last kernel it was.
void Engine::end_kernel() {
    for (size_t i = captured_.size(); i < options_.captures.size() && options_.captures[i].kernel <= kernel_; ++i) {
        const Capture& c = options_.captures[i];
        captured_.emplace_back(size_t(c.bytes));
        read(c.address, captured_.back().data(), c.bytes);
    }
    if (sanitizer_) forget();
    memory_.unite();
    memo_.changed();
    ++kernel_;
}

/// What a kernel that ends leaves behind means nothing to the next ones.
void Engine::forget() {
    for (int s = 0; s < isa::NUM_SPACE; ++s)
        if (Space(s) != Space::DRAM && Space(s) != Space::COUNTS) sanitizer_->give_up(Space(s), 0, memory_.size(Space(s)));
    for (; lives_over_ < lives_.size() && lives_[lives_over_].last <= kernel_; ++lives_over_) {
        const LiveRange& live = lives_[lives_over_];
        sanitizer_->give_up(live.space, live.begin, live.end);
    }
}

/// Instructions the program will execute.  Nothing about loops depends on data, so a walk over loops and extents tells; it gives up after
/// a second's worth of them, and the number so far is a lower bound.
int64_t Engine::count_instructions() const {
    Control control;
    int64_t count = 0;
    uint32_t pc = 0;
    for (int64_t steps = 0; steps < 100'000'000; ++steps) {
        const Decoded& d = program_.text[pc];
        ++count;
        if (d.op == Op::halt) return count;
        if (d.op == Op::ext) {
            control.set_extent(int(d.values[isa::ext::id]), extent_of(d));
            ++pc;
        } else if (d.op == Op::ext_step) {
            control.shift_extent(int(d.values[isa::ext_step::id]), d.values[isa::ext_step::less] * options_.step);
            ++pc;
        } else if (d.op == Op::loop) {
            int64_t trips = control.extent(d.exts[isa::loop::trips]).value;
            if (trips > 0) control.open(trips);
            pc = trips > 0 ? pc + 1 : d.target;
        } else if (d.op == Op::endloop) {
            pc = control.next() ? d.target : pc + 1;
        } else {
            count += d.target - pc - 1;
            pc = d.target;
        }
    }
    return count;
}

}  // namespace focus
