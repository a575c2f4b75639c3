// Python's view of the simulator: focus.runtime._sim.
#include <algorithm>

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/array.h>
#include <nanobind/stl/pair.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include "engine.h"
#include "occupancy.h"
#include "timing.h"

namespace nb = nanobind;
using namespace nb::literals;

namespace focus {
namespace {

using Bytes = nb::ndarray<const uint8_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Words = nb::ndarray<const uint8_t, nb::shape<-1, 16>, nb::c_contig, nb::device::cpu>;
using Sources = nb::ndarray<const uint32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;
using Table = nb::ndarray<const int64_t, nb::ndim<2>, nb::c_contig, nb::device::cpu>;
using Counts = nb::ndarray<const int32_t, nb::c_contig, nb::device::cpu>;

nb::object from_json(const std::string& json) { return nb::module_::import_("json").attr("loads")(json); }

template <class T>
T number(const nb::handle& table, const char* key) { return nb::cast<T>(table[key]); }

/// The number of a key that a machine file may leave out.
int64_t number_or(const nb::handle& table, const char* key, int64_t otherwise) {
    nb::object value = table[key];
    return value.is_none() ? otherwise : nb::cast<int64_t>(value);
}

Machine read_machine(const std::string& json) {
    nb::object all = from_json(json), array = all["array"], dram = all["dram"], sfu = all["sfu"], sic = all["sic"], sec = all["sec"];
    Machine m{};
    auto rule = nb::cast<std::string>(array["rule"]);
    m.rule = rule == "shadow" ? ArrayRule::SHADOW : rule == "scalesim" ? ArrayRule::SCALESIM : ArrayRule::RTL;
    m.rows = number<int>(array, "rows");
    m.cols = number<int>(array, "cols");
    // Weights enter one array row per cycle.  Partial sums take 2 cycles per row, and the last column is cols - 1 skewed.  Of the rules without a
    // second weight register, scalesim counts rows to load, rows to fill and cols - 3 to drain, rtl a load before all that shadow waits for.
    m.weight_load = number_or(array, "weight_load_cycles", m.rows);
    m.fill = number_or(array, "fill_cycles", 2 * m.rows + m.cols - 2);
    m.scalesim_overhead = number_or(array, "scalesim_overhead", 2 * m.rows + m.cols - 3);
    m.rtl_overhead = number_or(array, "rtl_overhead", 3 * m.rows + m.cols - 2);
    m.bytes_per_cycle = number<double>(dram, "bytes_per_second") / number<double>(all, "frequency_hz");
    m.dram_latency = number<int64_t>(dram, "latency_cycles");
    m.burst_bytes = number<int64_t>(dram, "burst_bytes");
    m.bytes[0] = number<int64_t>(dram, "capacity_bytes");
    for (int s = 1; s < isa::NUM_SPACE; ++s) m.bytes[s] = number<int64_t>(all["buffers"][isa::SPACE_NAMES[s]], "bytes");
    if (nb::dict pads = nb::cast<nb::dict>(all); pads.contains("scratchpad") && !pads["scratchpad"].is_none()) {
        nb::dict pad = nb::cast<nb::dict>(pads["scratchpad"]);
        m.bank = number<int64_t>(pad, "bank_bytes");
        int64_t bytes = 0;
        for (nb::handle macro : pad["macros"]) {
            nb::dict kind = nb::cast<nb::dict>(macro);
            bytes += number<int64_t>(kind, "words") * number<int64_t>(kind, "bits") / 8 * number<int64_t>(kind, "count");
        }
        m.scratchpad = bytes / m.bank * m.bank;
        for (nb::handle name : pad["memories"])
            for (int s = 1; s < isa::NUM_SPACE; ++s) m.part[s] |= nb::cast<std::string>(name) == isa::SPACE_NAMES[s];
    }
    m.queue_depth = number<int>(all["queues"], "depth");
    m.lanes_exp = number<int64_t>(sfu, "exp");
    m.lanes_multiply = number<int64_t>(sfu, "multiply");
    m.lanes_add = number<int64_t>(sfu, "add");
    m.lanes_sqrt = number<int64_t>(sfu, "sqrt");
    m.lanes_reciprocal = number<int64_t>(sfu, "reciprocal");
    m.sfu_latency = number<int64_t>(sfu, "latency");
    m.sic = number<bool>(sic, "present");
    m.cycles_per_candidate = number<int64_t>(sic, "cycles_per_candidate");
    m.cycles_per_identity_row = number<int64_t>(sic, "cycles_per_identity_row");
    m.scatter_per_cycle = number<int64_t>(sic, "scatter_per_cycle");
    m.sic_lanes = number<int64_t>(sic, "lanes");
    m.vector = number<int64_t>(sic, "vector");
    m.sec = number<bool>(sec, "present");
    m.maxima_per_cycle = number<int64_t>(sec, "maxima_per_cycle");
    m.topk_passes = number<int64_t>(sec, "topk_passes");
    m.select_per_cycle = number<int64_t>(sec, "select_per_cycle");
    return m;
}

Site read_site(const nb::handle& entry) {
    Site s{};
    s.layer = number<int64_t>(entry, "layer");
    s.name = nb::cast<std::string>(entry["site"]);
    s.width = number<int64_t>(entry, "width");
    s.slices = number<int64_t>(entry, "slices");
    s.visual = number<int64_t>(entry, "visual");
    s.count_base = number<int64_t>(entry, "count_base");
    for (nb::handle tile : entry["tiles"]) {
        SiteTile t = {nb::cast<int64_t>(tile[0]), nb::cast<int64_t>(tile[1]), nb::cast<int64_t>(tile[2])};
        if (t.row0 < 0 || t.identity < 0 || t.visual < 0 || t.row0 + t.visual > s.visual)
            throw Error(text("site '%s' of layer %lld: a tile's rows lie outside its %lld visual rows", s.name.c_str(), (long long)s.layer,
                             (long long)s.visual));
        s.tiles.push_back(t);
    }
    if (s.slices <= 0 || s.visual < 0) throw Error(text("site '%s' of layer %lld: impossible sizes", s.name.c_str(), (long long)s.layer));
    return s;
}

LiveRange read_live_range(const nb::handle& entry) {
    auto space = nb::cast<std::string>(entry["space"]);
    const auto* name = std::find(std::begin(isa::SPACE_NAMES), std::end(isa::SPACE_NAMES), space);
    if (name == std::end(isa::SPACE_NAMES)) throw Error(text("a live range in an unknown memory '%s'", space.c_str()));
    int64_t begin = number<int64_t>(entry, "address");
    return {isa::Space(name - isa::SPACE_NAMES), begin, begin + number<int64_t>(entry, "bytes"), number<int64_t>(entry, "last")};
}

double cycles(int64_t ticks) { return double(ticks) / double(CYCLE); }

template <class T, class F>
nb::object column(const std::vector<T>& rows, F f) {
    auto* values = new std::vector<int64_t>;
    values->reserve(rows.size());
    for (const T& row : rows) values->push_back(f(row));
    nb::capsule owner(values, [](void* p) noexcept { delete static_cast<std::vector<int64_t>*>(p); });
    return nb::cast(nb::ndarray<nb::numpy, int64_t, nb::ndim<1>>(values->data(), {values->size()}, owner));
}

template <class T>
nb::object table(const std::vector<T>& values, size_t rows, size_t cols) {
    auto* copy = new std::vector<T>(values);
    nb::capsule owner(copy, [](void* p) noexcept { delete static_cast<std::vector<T>*>(p); });
    if (cols == 0) return nb::cast(nb::ndarray<nb::numpy, T>(copy->data(), {rows}, owner));
    return nb::cast(nb::ndarray<nb::numpy, T>(copy->data(), {rows, cols}, owner));
}

nb::dict traffic(const Traffic& t) {
    nb::dict out;
    out["read"] = t.read;
    out["write"] = t.write;
    return out;
}

nb::dict units_dict(const Counters& c) {
    nb::dict out;
    for (int u = 1; u < isa::NUM_UNIT; ++u) {
        const UnitState& s = c.units[size_t(u)];
        nb::dict unit, stall;
        int64_t waited = 0;
        for (int k = 0; k < NUM_STALLS; ++k) {
            stall[STALL_NAMES[k]] = cycles(s.stall[k]);
            waited += s.stall[k];
        }
        unit["instructions"] = s.instructions;
        unit["busy"] = cycles(s.busy);
        unit["stall"] = stall;
        unit["idle"] = cycles(c.ticks - s.busy - waited);
        out[isa::UNIT_NAMES[u]] = unit;
    }
    return out;
}

nb::dict modules_dict(const Counters& c) {
    nb::dict out;
    out["cycles"] = column(c.modules, [](const ModuleCounters& m) { return m.ticks / CYCLE; });
    out["instructions"] = column(c.modules, [](const ModuleCounters& m) { return m.instructions; });
    out["macs"] = column(c.modules, [](const ModuleCounters& m) { return m.macs; });
    out["dram_bytes"] = column(c.modules, [](const ModuleCounters& m) { return m.dram_bytes; });
    out["overflows"] = column(c.modules, [](const ModuleCounters& m) { return m.overflows; });
    out["nonfinite"] = column(c.modules, [](const ModuleCounters& m) { return m.nonfinite; });
    for (int u = 1; u < isa::NUM_UNIT; ++u)
        out[(std::string("busy_") + isa::UNIT_NAMES[u]).c_str()] =
            column(c.modules, [u](const ModuleCounters& m) { return m.busy[size_t(u)] / CYCLE; });
    for (int k = 0; k < NUM_STALLS; ++k)
        out[(std::string("array_waits_") + STALL_NAMES[k]).c_str()] =
            column(c.modules, [k](const ModuleCounters& m) { return m.waits[size_t(k)] / CYCLE; });
    return out;
}

/// What energy is counted from, by module: `busy_<unit>` in ticks, `<lane>` results of the vector unit, `read_<memory>` and `write_<memory>` bytes.
nb::dict module_uses_dict(const Counters& c) {
    nb::dict out;
    for (int u = 1; u < isa::NUM_UNIT; ++u)
        out[(std::string("busy_") + isa::UNIT_NAMES[u]).c_str()] = column(c.modules, [u](const ModuleCounters& m) { return m.busy[size_t(u)]; });
    out["exp"] = column(c.modules, [](const ModuleCounters& m) { return m.activity.exp; });
    out["multiply"] = column(c.modules, [](const ModuleCounters& m) { return m.activity.multiply; });
    out["add"] = column(c.modules, [](const ModuleCounters& m) { return m.activity.add; });
    out["sqrt"] = column(c.modules, [](const ModuleCounters& m) { return m.activity.sqrt; });
    out["reciprocal"] = column(c.modules, [](const ModuleCounters& m) { return m.activity.reciprocal; });
    auto traffics = [&](const char* name, auto of) {
        out[(std::string("read_") + name).c_str()] = column(c.modules, [of](const ModuleCounters& m) { return of(m).read; });
        out[(std::string("write_") + name).c_str()] = column(c.modules, [of](const ModuleCounters& m) { return of(m).write; });
    };
    for (int i = 1; i < isa::NUM_SPACE; ++i) traffics(isa::SPACE_NAMES[i], [i](const ModuleCounters& m) { return m.sram[size_t(i)]; });
    traffics("layouter", [](const ModuleCounters& m) { return m.layouter; });
    return out;
}

nb::dict activity_dict(const Activity& a) {
    nb::dict out;
    out["exp"] = a.exp;
    out["multiply"] = a.multiply;
    out["add"] = a.add;
    out["sqrt"] = a.sqrt;
    out["reciprocal"] = a.reciprocal;
    out["sic_vectors"] = a.sic_vectors;
    out["sic_pairs"] = a.sic_pairs;
    out["scatter_rows"] = a.scatter_rows;
    out["sec_maxima"] = a.sec_maxima;
    return out;
}

nb::dict finding_dict(const Finding& f, const Program& program) {
    const Decoded& d = program.text[f.instruction];
    nb::dict out;
    out["kind"] = f.kind == Finding::UNINITIALISED ? "uninitialised" : f.kind == Finding::STALE ? "stale" : "unordered";
    out["instruction"] = f.instruction;
    out["opcode"] = info(d).mnemonic;
    out["operand"] = operand_name(d.op, f.operand);
    out["access"] = f.write ? "write" : "read";
    out["space"] = isa::SPACE_NAMES[int(f.space)];
    out["begin"] = f.begin;
    out["end"] = f.end;
    out["module"] = d.source;
    if (f.kind != Finding::UNINITIALISED) {
        const Decoded& earlier = program.text[f.other];
        out["other_instruction"] = f.other;
        out["other_opcode"] = info(earlier).mnemonic;
        out["other_access"] = f.other_write ? "write" : "read";
        out["other_module"] = earlier.source;
    }
    return out;
}

nb::dict result_dict(const Engine& engine) {
    const Counters& c = engine.counters();
    nb::dict out, opcodes, dram, sram;
    out["cycles"] = c.ticks / CYCLE;
    out["instructions"] = c.instructions;
    out["macs"] = c.macs;
    out["passes"] = c.passes;
    out["array_busy"] = cycles(c.units[size_t(isa::Unit::ARRAY)].busy);
    for (int i = 0; i < isa::NUM_OPS; ++i)
        if (c.by_op[size_t(i)]) opcodes[isa::TABLE[i].mnemonic] = c.by_op[size_t(i)];
    out["opcodes"] = opcodes;
    out["units"] = units_dict(c);
    for (int i = 0; i < isa::NUM_STREAM; ++i) dram[isa::STREAM_NAMES[i]] = traffic(c.dram[size_t(i)]);
    out["dram"] = dram;
    for (int i = 1; i < isa::NUM_SPACE; ++i) sram[isa::SPACE_NAMES[i]] = traffic(c.sram[size_t(i)]);
    sram["layouter"] = traffic(c.layouter);
    out["sram"] = sram;
    out["activity"] = activity_dict(c.activity);
    out["modules"] = modules_dict(c);
    out["module_uses"] = module_uses_dict(c);
    out["ticks_per_cycle"] = CYCLE;
    if (!c.timeline.empty()) {
        std::vector<int64_t> rows, waits, touched;
        for (const Event& e : c.timeline) {
            rows.insert(rows.end(), {e.unit, e.instruction, e.start / CYCLE, whole_cycles(e.finish) / CYCLE});
            waits.insert(waits.end(), {e.start / CYCLE - (e.start - e.waited) / CYCLE, e.why, e.signalled_by, e.dram_bytes});
        }
        for (const Touched& t : c.touched)
            touched.insert(touched.end(), {t.event, t.operand, t.space, t.address, t.pitch, t.rows, t.row_bytes, t.access});
        out["timeline"] = table(rows, c.timeline.size(), 4);
        out["waits"] = table(waits, c.timeline.size(), 4);
        out["touched"] = table(touched, c.touched.size(), 8);
    }
    if (engine.sanitizer()) {
        nb::list findings;
        for (const Finding& f : engine.sanitizer()->findings()) findings.append(finding_dict(f, engine.program()));
        out["findings"] = findings;
        out["findings_total"] = engine.sanitizer()->total();
    }
    return out;
}

/// A machine's timing functions (timing.h), in cycles.
class Timing {
  public:
    explicit Timing(const std::string& machine_json) : m_(read_machine(machine_json)) {}
    int64_t fill() const { return m_.fill; }
    int64_t weight_load() const { return m_.weight_load; }
    int64_t dram_latency() const { return m_.dram_latency; }
    std::pair<int64_t, int64_t> pass(int64_t rows) const {
        timing::Span s = timing::pass(m_, rows);
        return {s.occupied, s.finish};
    }
    int64_t scatter(int64_t rows, int64_t cols) const { return timing::scatter(m_, rows, cols); }
    int64_t sic_gather(int64_t visual, int64_t identity, int64_t block, int64_t cols) const {
        return timing::sic_gather(m_, visual, identity, block, cols);
    }
    int64_t sec_importance(int64_t rows, int64_t cols) const { return timing::sec_importance(m_, rows, cols); }
    int64_t sec_topk(int64_t candidates) const { return timing::sec_topk(m_, candidates); }
    int64_t sec_select(int64_t keep) const { return timing::sec_select(m_, keep); }
    /// By the instruction's mnemonic; see timing.h.
    int64_t vector(const std::string& mnemonic, int value, bool extra, int64_t rows, int64_t cols) const {
        for (int i = 0; i < isa::NUM_OPS; ++i)
            if (mnemonic == isa::TABLE[i].mnemonic && isa::TABLE[i].unit == isa::Unit::SFU)
                return rows ? timing::vector(m_, timing::lanes(isa::WORK[i], value, extra, rows, cols)) : 0;
        throw Error(text("'%s' is no instruction of the vector unit", mnemonic.c_str()));
    }
    double dma(int64_t bytes) const { return cycles(timing::bus_ticks(m_, bytes)); }

  private:
    Machine m_;
};

/// Rows of (event, operand, space, address, pitch, rows, bytes of a row, access), and of (unit, instruction, start, finish).
nb::object occupancy(Table touched, Table events, int64_t space, int64_t size, int64_t block) {
    if (touched.shape(1) != 8 || events.shape(1) != 4 || size < 0 || block < 1) throw Error("occupancy: tables of 8 and 4 columns expected");
    Occupancy memory(size, block);
    for (size_t i = 0; i < touched.shape(0); ++i) {
        const int64_t* t = touched.data() + 8 * i;
        if (t[2] != space) continue;
        if (t[0] < 0 || size_t(t[0]) >= events.shape(0) || t[3] < 0) throw Error("occupancy: an access of no event");
        const int64_t* e = events.data() + 4 * t[0];
        memory.access(t[3], t[3] + (t[5] - 1) * t[4] + t[6], e[2], e[3], int(t[7]));
    }
    std::vector<int64_t> out;
    int64_t full = 0, count = 0;
    for (const auto& [time, change] : memory.changes()) {
        if (change == 0) continue;
        out.insert(out.end(), {time, (full += change) * block});
        ++count;
    }
    return table(out, size_t(count), 2);
}

class Simulator {
  public:
    Simulator(Words words, Sources source, const std::string& machine_json, const std::string& sites_json, std::vector<std::string> modules,
              const std::string& lives_json, const Simulator* beside)
        : engine_(make(words, source, machine_json, sites_json, std::move(modules), lives_json, beside)) {}

    void forget(int64_t address, int64_t nbytes) { engine_.forget(address, address + nbytes); }

    void write(int64_t address, Bytes data) { engine_.write(address, data.data(), int64_t(data.size())); }

    nb::object read(int64_t address, int64_t nbytes) {
        if (nbytes < 0) throw Error("host reads a negative number of bytes");
        std::vector<uint8_t> out(static_cast<size_t>(nbytes));
        engine_.read(address, out.data(), nbytes);
        return table(out, out.size(), 0);
    }

    nb::dict run(bool functional, bool sanitize, nb::object counts, nb::object progress, size_t timeline, int64_t window_begin, int64_t window_end,
                 int64_t max_instructions, int64_t max_bytes, const std::vector<std::array<int64_t, 3>>& captures, int64_t step,
                 const std::vector<std::array<int64_t, 2>>& kept, bool replay) {
        if (step < 0) throw Error("the step register holds numbers from 0 on");
        Options o;
        o.step = step;
        o.replay = replay;
        for (const auto& k : kept) o.kept.push_back({k[0], k[0] + k[1]});
        o.functional = functional;
        o.sanitize = sanitize;
        o.timeline = timeline;
        o.window_begin = window_begin;
        o.window_end = std::min(window_end, o.window_end);
        o.count_total = !progress.is_none();
        o.max_instructions = max_instructions;
        o.max_bytes = max_bytes;
        for (const auto& c : captures) o.captures.push_back({c[0], c[1], c[2]});
        if (!captures.empty() && !functional) throw Error("values are captured in functional runs");
        if (sanitize && !functional) throw Error("the sanitizer needs a functional run");
        if (!functional) o.counts = read_counts(counts);
        o.tick = [&](int64_t done, int64_t total) {
            nb::gil_scoped_acquire held;
            if (PyErr_CheckSignals()) throw nb::python_error();
            if (!progress.is_none()) progress(done, total);
        };
        {
            nb::gil_scoped_release released;
            engine_.run(std::move(o));
        }
        nb::dict out = result_dict(engine_);
        nb::list captured;
        for (const auto& bytes : engine_.captured()) captured.append(table(bytes, bytes.size(), 0));
        if (!captures.empty()) out["captured"] = captured;
        return out;
    }

    nb::list trace() const {
        nb::list out;
        for (const Site& s : engine_.sites()) {
            nb::dict entry;
            entry["layer"] = s.layer;
            entry["site"] = s.name;
            entry["retained"] = table(s.retained, s.retained.size(), 0);
            entry["group"] = table(s.group, s.retained.size(), size_t(s.slices));
            entry["zero"] = table(s.zero, s.retained.size(), size_t(s.slices));
            out.append(entry);
        }
        return out;
    }

  private:
    static Engine make(Words words, Sources source, const std::string& machine_json, const std::string& sites_json,
                       std::vector<std::string> modules, const std::string& lives_json, const Simulator* beside) {
        if (words.shape(0) != source.shape(0)) throw Error("text and source have different lengths");
        std::vector<Site> sites;
        std::vector<LiveRange> lives;
        for (nb::handle entry : from_json(sites_json)) sites.push_back(read_site(entry));
        for (nb::handle entry : from_json(lives_json)) lives.push_back(read_live_range(entry));
        return Engine(Program::decode(words.data(), source.data(), words.shape(0)), read_machine(machine_json), std::move(sites), std::move(modules),
                      std::move(lives), beside ? beside->engine_.memory() : nullptr);
    }

    /// Unique vectors of each site's (tile, slice).
    std::vector<std::vector<int32_t>> read_counts(const nb::object& counts) const {
        std::vector<std::vector<int32_t>> out;
        if (!counts.is_none())
            for (nb::handle site : counts) {
                auto values = nb::cast<Counts>(site);
                out.emplace_back(values.data(), values.data() + values.size());
            }
        const auto& sites = engine_.sites();
        if (out.size() != sites.size()) throw Error(text("counts of %zu sites expected, got %zu", sites.size(), out.size()));
        for (size_t i = 0; i < sites.size(); ++i) check_counts(sites[i], out[i]);
        return out;
    }

    static void check_counts(const Site& s, const std::vector<int32_t>& counts) {
        auto problem = [&](const std::string& what) {
            throw Error(text("counts of layer %lld, site '%s': %s", (long long)s.layer, s.name.c_str(), what.c_str()));
        };
        if (counts.size() != s.tiles.size() * size_t(s.slices))
            problem(text("%zu values expected, got %zu", s.tiles.size() * size_t(s.slices), counts.size()));
        for (size_t i = 0; i < counts.size(); ++i)
            if (int64_t limit = s.tiles[i / size_t(s.slices)].visual; counts[i] < 0 || counts[i] > limit)
                problem(text("value %zu is %d, outside 0..%lld", i, counts[i], (long long)limit));
    }

    Engine engine_;
};

/// Error becomes FocusError.
void translate(const std::exception_ptr& p, void* type) {
    try {
        std::rethrow_exception(p);
    } catch (const Error& e) {
        PyErr_SetString(static_cast<PyObject*>(type), e.what());
    } catch (const std::bad_cast&) {
        PyErr_SetString(static_cast<PyObject*>(type), "the simulator was given a value of another type, or a number beyond 64 bits");
    } catch (const std::length_error&) {
        PyErr_SetString(PyExc_MemoryError, "beyond any memory");
    }
}

}  // namespace
}  // namespace focus

NB_MODULE(_sim, m) {
    using focus::Simulator;
    m.doc() = "The simulator's core: executes a program and counts time, traffic and events.";
    nb::object error = nb::module_::import_("focus.runtime.spec.errors").attr("FocusError");
    nb::register_exception_translator(focus::translate, error.release().ptr());
    nb::class_<Simulator>(m, "Simulator", "One program on one machine, with its DRAM.  Runs may be repeated; DRAM keeps its contents between them.")
        .def(nb::init<focus::Words, focus::Sources, const std::string&, const std::string&, std::vector<std::string>, const std::string&,
                      const Simulator*>(),
             "text"_a, "source"_a, "machine_json"_a, "sites_json"_a = "[]", "modules"_a = std::vector<std::string>(), "lives_json"_a = "[]",
             "beside"_a = nb::none(),
             "text: uint8 [n, 16]; source: uint32 [n], module of each instruction; modules: their names, for error messages; lives_json: those of "
             "the memory map, for the sanitizer; beside: another program on the same machine, whose DRAM this one shares.")
        .def("forget", &Simulator::forget, "address"_a, "nbytes"_a,
             "What earlier runs and the host left in these bytes of DRAM means nothing any more: a sanitized run reports whoever reads it.")
        .def("write", &Simulator::write, "address"_a, "data"_a, "Copy bytes (uint8) to DRAM.")
        .def("read", &Simulator::read, "address"_a, "nbytes"_a, nb::sig("def read(self, address: int, nbytes: int) -> numpy.typing.NDArray[numpy.uint8]"),
             "Bytes of DRAM as uint8.")
        .def("run", &Simulator::run, "functional"_a, "sanitize"_a = false, "counts"_a = nb::none(), "progress"_a = nb::none(), "timeline"_a = 0,
             "window_begin"_a = 0, "window_end"_a = INT64_MAX, "max_instructions"_a = INT64_MAX - 1, "max_bytes"_a = INT64_MAX - 1,
             "captures"_a = std::vector<std::array<int64_t, 3>>(), "step"_a = 0, "kept"_a = std::vector<std::array<int64_t, 2>>(),
             "replay"_a = true,
             nb::sig("def run(self, functional: bool, sanitize: bool = False, "
                     "counts: collections.abc.Iterable[numpy.typing.NDArray[numpy.int32]] | None = None, "
                     "progress: collections.abc.Callable[[int, int], object] | None = None, timeline: int = 0, window_begin: int = 0, "
                     "window_end: int = ..., max_instructions: int = ..., max_bytes: int = ..., "
                     "captures: collections.abc.Sequence[tuple[int, int, int]] = [], step: int = 0, "
                     "kept: collections.abc.Sequence[tuple[int, int]] = [], replay: bool = True) -> dict[str, typing.Any]"),
             "Execute the program; returns raw counters.  counts: per site an int32 array of unique vectors of (tile, slice), needed when not "
             "functional.  progress: called with (instructions done, in all) a few times a second.  timeline: how many (unit, instruction, "
             "start, finish) events to return, of those that start in the cycles window_begin <= start < window_end; with them waits (cycles, why, event whose "
             "signal it waited for or -1, DRAM bytes) and touched (event, operand, space, address, pitch, rows, bytes of a row, access).  max_instructions, max_bytes: "
             "stop with an error after executing more, or after operands have read and written more; of bytes, only when functional.  "
             "captures: (address, bytes, kernel) in the order of the kernels, bytes of DRAM to return as they are when that kernel ends.  "
             "step: what the step register holds.  kept: (address, bytes) of DRAM from which later runs may read what this one wrote; a sanitized run "
             "notes what that is.  replay: without data, a kernel or an instruction that depends on nothing else than one timed before is not executed, but "
             "takes what that one took.")
        .def("trace", &Simulator::trace, nb::sig("def trace(self) -> list[dict[str, typing.Any]]"),
             "What the last functional run concentrated: a dict of layer, site, retained, group, zero for each site.");
    using focus::Timing;
    nb::class_<Timing>(m, "Timing", "Cycles of single instructions on one machine; described in focus/runtime/spec/timing.py.")
        .def(nb::init<const std::string&>(), "machine_json"_a)
        .def_prop_ro("fill", &Timing::fill)
        .def_prop_ro("weight_load", &Timing::weight_load)
        .def_prop_ro("dram_latency", &Timing::dram_latency)
        .def("array_pass", &Timing::pass, "rows"_a)
        .def("scatter", &Timing::scatter, "rows"_a, "cols"_a)
        .def("sic_gather", &Timing::sic_gather, "visual"_a, "identity"_a, "block"_a, "cols"_a)
        .def("sec_importance", &Timing::sec_importance, "rows"_a, "cols"_a)
        .def("sec_topk", &Timing::sec_topk, "candidates"_a)
        .def("sec_select", &Timing::sec_select, "keep"_a)
        .def("vector", &Timing::vector, "mnemonic"_a, "value"_a, "extra"_a, "rows"_a, "cols"_a)
        .def("dma", &Timing::dma, "bytes"_a);
    m.def("occupancy", &focus::occupancy, "touched"_a, "events"_a, "space"_a, "size"_a, "block"_a,
          nb::sig("def occupancy(touched: numpy.typing.NDArray[numpy.int64], events: numpy.typing.NDArray[numpy.int64], space: int, size: int, "
                  "block: int) -> numpy.typing.NDArray[numpy.int64]"),
          "When the bytes of a memory that hold something still to be read change, and what they are from then on: int64 [k, 2], from tables of a "
          "run's time line.  A memory is full or empty by blocks of `block` bytes.");
    m.def("select_kernels", &focus::select_kernels, "name"_a, "Use the inner loops of that variant; False when this processor cannot run it.");
    m.def("kernels", [] { return focus::kernels().name; }, "Name of the inner loops in use.");
}
