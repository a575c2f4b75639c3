// The engine itself: what the host sees of it, a run's beginning, and its main loop.
#include "engine.h"

#include <algorithm>
#include <cstring>

namespace focus {

using isa::Op;
using isa::Space;
using isa::Unit;

Engine::Engine(Program program, const Machine& machine, std::vector<Site> sites, std::vector<std::string> module_names, std::vector<LiveRange> lives,
               std::shared_ptr<Memory> memory)
    : program_(std::move(program)), machine_(machine), sites_(std::move(sites)), module_names_(std::move(module_names)), lives_(std::move(lives)),
      shared_(memory ? std::move(memory) : std::make_shared<Memory>(machine)), memory_(*shared_) {
    std::stable_sort(lives_.begin(), lives_.end(), [](const LiveRange& a, const LiveRange& b) { return a.last < b.last; });
    for (size_t op = 0; op < most_.size(); ++op)
        for (size_t i = 0; i < most_[op].size(); ++i) most_[op][i] = machine_.most(isa::MOST[op][i]);
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
    memory_.hold(address, address + n);
}

void Engine::read(int64_t address, uint8_t* bytes, int64_t n) {
    if (address < 0 || address + n > memory_.size(Space::DRAM))
        throw Error(text("host reads DRAM bytes %lld..%lld, but DRAM has %lld bytes", (long long)address, (long long)(address + n),
                         (long long)memory_.size(Space::DRAM)));
    memory_.grow(address + n);
    std::memcpy(bytes, memory_.at(Space::DRAM, address), size_t(n));
}

void Engine::run(Options options) {
    options_ = std::move(options);
    reset();
    total_ = options_.count_total ? count_instructions() : 0;
    for (pc_ = 0;;) {
        if (begins_) {
            begins_ = false;
            if (begin_kernel()) {
                begins_ = true;
                continue;
            }
        }
        const Decoded& d = program_.text[pc_];
        if (++counters_.instructions >= poll_at_) poll();
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
    if (replays_) memo_.count(counters_);
    counters_.sum_modules();
    if (!sanitizer_) return;
    for (const auto& range : options_.kept)
        sanitizer_->each_written(Space::DRAM, range[0], range[1], [&](int64_t begin, int64_t end) { memory_.hold(begin, end); });
}

void Engine::reset() {
    memory_.reset(options_.functional);
    control_ = Control();
    replays_ = begins_ = options_.replay && !options_.functional && !options_.timeline;
    noted_.reset();
    if (replays_) memo_.reset(program_, machine_.burst_bytes);
    bus_.reset();
    counters_ = Counters();
    counters_.modules.resize(program_.num_modules);
    for (UnitState& u : counters_.units) u.started.assign(size_t(machine_.queue_depth), 0);
    for (Semaphore& s : semaphores_) s = Semaphore();
    scalars_.fill(0);
    columns_.clear();
    grids_.clear();
    fetch_ = frontier_ = kernel_ = kernel_began_ = 0;
    lives_over_ = 0;
    captured_.clear();
    polled_ = std::chrono::steady_clock::now();
    moved_ = poll_moved_ = poll_at_ = 0;
    seen_ = options_.sanitize || options_.timeline;
    sanitizer_ = options_.sanitize ? std::make_unique<Sanitizer>(program_) : nullptr;
    if (sanitizer_)
        for (const auto& range : memory_.held()) sanitizer_->host_write(range[0], range[1]);
    for (Site& s : sites_) {
        size_t rows = options_.functional ? size_t(s.visual) : 0;
        s.retained.assign(rows, 0);
        s.group.assign(rows * size_t(s.slices), 0);
        s.zero.assign(rows * size_t(s.slices), 0);
    }
}

/// Between instructions, and within large ones: stops a run that is beyond its budget, and lets the host have a word.
void Engine::poll() {
    constexpr int64_t INSTRUCTIONS = 256, BYTES = int64_t(16) << 20;        // some milliseconds
    if (counters_.instructions > options_.max_instructions)
        throw Error(text("the run is stopped after %lld instructions; if the program should take more, raise --max-instructions "
                         "(max_instructions=)", (long long)options_.max_instructions));
    if (moved_ > options_.max_bytes)
        throw Error(text("the run is stopped after its operands have read and written %lld bytes; if the program should move more, raise "
                         "--max-bytes (max_bytes=)", (long long)options_.max_bytes));
    poll_at_ = std::min(counters_.instructions + INSTRUCTIONS, options_.max_instructions + 1);
    poll_moved_ = std::min(moved_ + BYTES, options_.max_bytes + 1);
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

}  // namespace focus
