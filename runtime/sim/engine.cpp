// The main loop, control instructions, queues and semaphores, and how operands are resolved.
#include "engine.h"

#include <algorithm>
#include <cstring>

namespace focus {

using isa::Access;
using isa::DType;
using isa::Op;
using isa::Space;
using isa::Unit;

namespace {

/// Why a unit waits when it waits for a credit of that unit.
Stall stall_of(Unit unit) {
    switch (unit) {
        case Unit::LOAD: case Unit::STORE: return DRAM_STALL;
        case Unit::SCATTER: return SCATTER_STALL;
        case Unit::SIC: return SIC_STALL;
        case Unit::SFU: return SFU_STALL;
        default: return SEMAPHORE_STALL;
    }
}

Extent extent_of(const Decoded& d) {
    Extent e;
    e.full = d.values[isa::ext::full];
    e.total = d.values[isa::ext::total];
    e.step = d.values[isa::ext::step];
    e.level = int(d.values[isa::ext::level]);
    return e;
}

}  // namespace

void Semaphore::grow() {
    std::vector<Credit> bigger(ring_.size() * 2);
    for (uint32_t i = 0; i < count_; ++i) bigger[i] = ring_[(first_ + i) & (ring_.size() - 1)];
    ring_ = std::move(bigger);
    first_ = 0;
}

Engine::Engine(Program program, const Machine& machine, std::vector<Site> sites, std::vector<std::string> module_names, std::vector<Life> lives)
    : program_(std::move(program)), machine_(machine), sites_(std::move(sites)), module_names_(std::move(module_names)), lives_(std::move(lives)) {
    ticks_per_byte_ = double(CYCLE) / machine_.bytes_per_cycle;
    std::stable_sort(lives_.begin(), lives_.end(), [](const Life& a, const Life& b) { return a.last < b.last; });
    for (const Decoded& d : program_.text)
        if (d.op == Op::sic_gather && size_t(d.values[isa::sic_gather::site]) >= sites_.size())
            throw Error(text("instruction %zu (sic.gather): site %lld of %zu", size_t(&d - program_.text.data()),
                             (long long)d.values[isa::sic_gather::site], sites_.size()));
}

void Engine::write(int64_t address, const uint8_t* bytes, int64_t n) {
    if (address < 0 || address + n > memory_.size(Space::DRAM))
        throw Error(text("host writes DRAM bytes %lld..%lld, but DRAM has %lld bytes", (long long)address, (long long)(address + n),
                         (long long)memory_.size(Space::DRAM)));
    memory_.grow(address + n);
    std::memcpy(memory_.at(Space::DRAM, address), bytes, size_t(n));
    written_.push_back({address, address + n});
}

void Engine::read(int64_t address, uint8_t* bytes, int64_t n) {
    if (address < 0 || address + n > memory_.size(Space::DRAM))
        throw Error(text("host reads DRAM bytes %lld..%lld, but DRAM has %lld bytes", (long long)address, (long long)(address + n),
                         (long long)memory_.size(Space::DRAM)));
    memory_.grow(address + n);
    std::memcpy(bytes, memory_.at(Space::DRAM, address), size_t(n));
}

// ---- the main loop ---------------------------------------------------------------------------------------------------

void Engine::run(Options options) {
    options_ = std::move(options);
    reset();
    total_ = options_.count_total ? count_instructions() : 0;
    for (pc_ = 0;;) {
        const Decoded& d = program_.text[pc_];
        if ((++counters_.instructions & 255) == 0) poll();
        ++counters_.by_op[size_t(d.op)];
        module_ = &counters_.modules[d.source];
        ++module_->instructions;
        fetch_ += CYCLE;
        if (d.unit != Unit::CTRL) {
            issue(d);
            ++pc_;
        } else if (!control(d)) {
            break;
        }
    }
    if (fetch_ > frontier_) {
        module_->ticks += fetch_ - frontier_;
        frontier_ = fetch_;
    }
    counters_.ticks = frontier_;
}

void Engine::reset() {
    memory_.reset(options_.functional);
    control_ = Control();
    bus_.reset();
    counters_ = Counters();
    counters_.modules.resize(program_.num_modules);
    for (UnitState& u : counters_.units) u.started.assign(size_t(machine_.queue_depth), 0);
    for (Semaphore& s : semaphores_) s = Semaphore();
    scalars_.fill(0);
    grids_.clear();
    fetch_ = frontier_ = kernel_ = 0;
    lives_over_ = 0;
    polled_ = std::chrono::steady_clock::now();
    sanitizer_ = options_.sanitize ? std::make_unique<Sanitizer>() : nullptr;
    if (sanitizer_)
        for (const auto& range : written_) sanitizer_->host_write(range[0], range[1]);
    for (Site& s : sites_) {
        size_t rows = options_.functional ? size_t(s.visual) : 0;
        s.retained.assign(rows, 0);
        s.group.assign(rows * size_t(s.slices), 0);
        s.zero.assign(rows * size_t(s.slices), 0);
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

void Engine::poll() {
    if (!options_.tick) return;
    auto now = std::chrono::steady_clock::now();
    if (now - polled_ < std::chrono::milliseconds(100)) return;
    options_.tick(counters_.instructions, std::max(total_, counters_.instructions));
    polled_ = std::chrono::steady_clock::now();
}

void Engine::fail(const Decoded& d, const std::string& what) const {
    std::string where = d.source < module_names_.size() ? " of " + module_names_[d.source] : "";
    throw Error(text("instruction %u (%s)%s: %s", pc_, info(d).mnemonic, where.c_str(), what.c_str()));
}

// ---- control ---------------------------------------------------------------------------------------------------------

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
        case Op::ext: control_.set_extent(int(v[isa::ext::id]), extent_of(d)); break;
        case Op::scalar: scalars_[d.scalars[isa::scalar::id]] = __builtin_bit_cast(float, uint32_t(v[isa::scalar::value])); break;
        case Op::sem: {
            Semaphore& s = semaphores_[size_t(v[isa::sem::id])];
            while (s.count()) if (Credit c = s.take(); sanitizer_) sanitizer_->drop(c.snapshot);
            for (int64_t i = 0; i < v[isa::sem::credits]; ++i) s.put({fetch_, Unit::CTRL, sanitizer_ ? sanitizer_->snapshot(Unit::CTRL) : 0});
            break;
        }
        case Op::drain: drain(d); break;
        case Op::sic_config:
            threshold_ = __builtin_bit_cast(float, uint32_t(v[isa::sic_config::threshold]));
            block_f_ = int(v[isa::sic_config::block_f]), block_h_ = int(v[isa::sic_config::block_h]), block_w_ = int(v[isa::sic_config::block_w]);
            break;
        case Op::sic_grid: set_grid(d); break;
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
    control_.set_agu(int(v[isa::agu::id]), a);
}

void Engine::set_grid(const Decoded& d) {
    const auto& v = d.values;
    size_t index = size_t(v[isa::sic_grid::index]);
    if (index == 0) grids_.clear();
    if (index != grids_.size()) fail(d, text("grid %zu is set, but grid %zu comes next", index, grids_.size()));
    grids_.push_back({v[isa::sic_grid::first], v[isa::sic_grid::frame_stride], v[isa::sic_grid::height_stride], v[isa::sic_grid::width_stride]});
}

void Engine::drain(const Decoded& d) {
    Semaphore& s = semaphores_[size_t(d.values[isa::drain::id])];
    int64_t wanted = d.values[isa::drain::credits];
    if (int64_t(s.count()) < wanted)
        fail(d, text("deadlock: waits for %lld credits of semaphore %lld, but instructions before it leave only %u", (long long)wanted,
                     (long long)d.values[isa::drain::id], s.count()));
    for (int64_t i = 0; i < wanted; ++i) {
        Credit c = s.take();
        fetch_ = std::max(fetch_, whole_cycles(c.time));
        if (sanitizer_) sanitizer_->join(Unit::CTRL, c.snapshot);
    }
    if (sanitizer_ && d.values[isa::drain::end]) end_kernel();
}

/// Gives up what the kernel left on chip, and in the places whose last kernel it was.
void Engine::end_kernel() {
    for (int s = 0; s < isa::NUM_SPACE; ++s)
        if (Space(s) != Space::DRAM && Space(s) != Space::COUNTS) sanitizer_->give_up(Space(s), 0, memory_.size(Space(s)));
    for (; lives_over_ < lives_.size() && lives_[lives_over_].last <= kernel_; ++lives_over_) {
        const Life& life = lives_[lives_over_];
        sanitizer_->give_up(life.space, life.begin, life.end);
    }
    ++kernel_;
}

// ---- queued instructions ---------------------------------------------------------------------------------------------

void Engine::issue(const Decoded& d) {
    UnitState& unit = counters_.units[size_t(d.unit)];
    fetch_ = std::max(fetch_, unit.started[unit.head]);         // room in the queue
    int64_t start = wait(d, unit);
    if (sanitizer_) sanitizer_->begin(d.unit, pc_);
    control_.use_agus(d.mems, d.num_mems);
    Cost cost = execute(d);
    int64_t end = start + cost.occupied, finish = start + cost.finish;
    if (cost.bus_bytes >= 0) {
        int64_t duration = int64_t(double(cost.bus_bytes) * ticks_per_byte_ + 0.5);
        end = bus_.transfer(d.unit == Unit::LOAD ? Bus::LOAD : Bus::STORE, start, duration);
        unit.stall[DRAM_STALL] += end - start - duration;
        unit.busy += duration;
        module_->busy[size_t(d.unit)] += duration;
        finish = cost.bus_bytes ? whole_cycles(end) + machine_.dram_latency * CYCLE : start;
    } else {
        unit.busy += cost.occupied;
        module_->busy[size_t(d.unit)] += cost.occupied;
    }
    finish = unit.finished = std::max(finish, unit.finished);   // units complete in order, so a sync speaks for all before it
    unit.free = end;
    unit.started[unit.head] = whole_cycles(start);
    unit.head = unit.head + 1 == uint32_t(machine_.queue_depth) ? 0 : unit.head + 1;
    ++unit.instructions;
    signal(d, finish);
    record(d, start, finish);
}

/// Takes the credits the instruction waits for; returns when it starts.
int64_t Engine::wait(const Decoded& d, UnitState& unit) {
    int64_t start = unit.free;
    Stall why = QUEUE_STALL;
    if (fetch_ > start) start = fetch_;
    for (int i = 0; i < d.num_waits; ++i) {
        if (!control_.first_from(d.wait_depth[i])) continue;
        Semaphore& s = semaphores_[d.wait[i]];
        if (s.count() == 0) fail(d, text("deadlock: waits for semaphore %d, which no instruction before it signals", d.wait[i]));
        Credit c = s.take();
        if (sanitizer_) sanitizer_->join(d.unit, c.snapshot);
        if (c.time > start) {
            start = c.time;
            why = stall_of(c.unit);
        }
    }
    unit.stall[why] += start - unit.free;
    return start;
}

void Engine::signal(const Decoded& d, int64_t time) {
    for (int i = 0; i < d.num_signals; ++i) {
        if (!control_.last_from(d.signal_depth[i])) continue;
        Semaphore& s = semaphores_[d.signal[i]];
        if (s.count() == 0xffff) fail(d, text("semaphore %d has 65535 credits already", d.signal[i]));
        s.put({time, d.unit, sanitizer_ ? sanitizer_->snapshot(d.unit) : 0});
    }
}

void Engine::record(const Decoded& d, int64_t start, int64_t finish) {
    if (finish > frontier_) {
        module_->ticks += finish - frontier_;
        frontier_ = finish;
    }
    if (counters_.timeline.size() < options_.timeline && start >= options_.window_begin * CYCLE && start < options_.window_end * CYCLE)
        counters_.timeline.push_back({int64_t(d.unit), pc_, start, finish});
}

// ---- operands --------------------------------------------------------------------------------------------------------

int64_t Engine::extent(const Decoded& d, int index) const {
    const Extent& e = control_.extent(d.exts[index]);
    if (!e.set) fail(d, text("extent %d is used before it is set up", d.exts[index]));
    return e.value;
}

/// Address and shape of an operand, checked against its memory.
Engine::Tile Engine::resolve(const Decoded& d, int mem, int64_t rows, int64_t cols, unsigned types, Where where) {
    const Agu& a = control_.agu(d.mems[mem]);
    auto problem = [&](const char* what) { fail(d, text("operand '%s': %s", operand_name(d.op, mem), what)); };
    if (!a.set) problem("its address generator is not set up");
    if (!(types >> int(a.dtype) & 1)) problem(text("element type %s is not possible here", isa::DTYPE_NAMES[int(a.dtype)]).c_str());
    if ((a.space == Space::DRAM) != (where == OFF_CHIP)) problem(where == OFF_CHIP ? "must be in dram" : "must be on chip");
    int64_t size = isa::DTYPE_BYTES[int(a.dtype)], row_bytes = cols * size;
    Tile t = {a.space, a.dtype, a.address, a.pitch, rows, cols, row_bytes};
    if ((a.address | (rows > 1 ? a.pitch : 0)) & (size - 1)) problem("address or row pitch is not a multiple of the element size");
    int64_t span = rows > 0 && cols > 0 ? (rows - 1) * a.pitch + row_bytes : 0, limit = memory_.size(a.space);
    if (span > 0 && (a.address < 0 || span > limit || a.address > limit - span))
        problem(text("out of bounds: bytes %lld..%lld of %s, which has %lld", (long long)a.address, (long long)(a.address + span),
                     isa::SPACE_NAMES[int(a.space)], (long long)limit).c_str());
    if (where == OFF_CHIP && options_.functional) memory_.grow(a.address + span);
    return t;
}

/// Resolves an operand of which every element is read and/or written.
Engine::Tile Engine::operand(const Decoded& d, int mem, int64_t rows, int64_t cols, Access access, unsigned types, Where where) {
    Tile t = resolve(d, mem, rows, cols, types, where);
    touch(mem, t, access);
    return t;
}

/// Counts an access and shows it to the sanitizer.
void Engine::touch(int mem, const Tile& t, Access access) {
    int64_t bytes = t.rows * t.row_bytes;
    Traffic& traffic = counters_.sram[size_t(t.space)];
    if (access & isa::READ) traffic.read += bytes;
    if (access & isa::WRITE) traffic.write += bytes;
    if (sanitizer_ && bytes) sanitizer_->access(mem, {t.space, t.address, t.pitch, t.rows, t.row_bytes}, access);
}

/// `rows`, or what the count memory says (at most `rows`) when operand `mem` is there.
int64_t Engine::row_count(const Decoded& d, int mem, int64_t rows) {
    if (!has(d, mem) || rows == 0) return rows;
    Tile t = operand(d, mem, 1, 1, isa::READ, U16);
    if (t.space != Space::COUNTS) fail(d, text("operand '%s' must be in counts", operand_name(d.op, mem)));
    uint16_t count;
    std::memcpy(&count, data(t), 2);
    if (count > rows) fail(d, text("operand '%s' says %d rows, more than the extent's %lld", operand_name(d.op, mem), count, (long long)rows));
    return count;
}

}  // namespace focus
