// The second part: units as lanes, instructions as bars, what they waited for, traffic and memories below.
"use strict";

Report.parts.time = (() => {
  const { $, element, number, link } = Report;
  const MOST_BARS = 3000, BINS = 300;
  let e = null, assembly = null, lanes = [], window_ = [0, 1], whole = [0, 1], chosen = -1, chart = null;
  const causeColour = (why) => Report.palette[(why + 1) % Report.palette.length];

  const start = (i) => e.event_start[i], finish = (i) => e.event_start[i] + e.event_cycles[i];
  const moduleOf = (i) => Report.data.modules[e.source[e.event_instruction[i]]];

  // ---- what is drawn for a window of cycles -----------------------------------------------------------------------------------------
  /** Numbers of the events that touch the window. */
  function visible([from, to]) {
    const out = [];
    for (let i = 0; i < e.event_start.length; i++) if (finish(i) >= from && start(i) - e.event_waited[i] <= to) out.push(i);
    return out;
  }

  /** Bars of single instructions and of the waits before them: [lane, from, to, cause or -1, event]. */
  function bars(events) {
    const out = [];
    for (const i of events) {
      const lane = lanes.indexOf(e.event_unit[i]);
      if (e.event_waited[i] > 0) out.push([lane, start(i) - e.event_waited[i], start(i), e.event_why[i], i]);
      out.push([lane, start(i), finish(i), -1, i]);
    }
    return out;
  }

  /** Shares of parts of the window, for more events than can be seen: [lane, from, to, cause or -1, -1, share begun, share ended]. */
  function shares(events, [from, to]) {
    const step = (to - from) / BINS, kinds = Report.data.causes.length + 1;
    const sums = new Float64Array(lanes.length * BINS * kinds);
    const add = (lane, kind, a, b) => {
      a = Math.max(a, from); b = Math.min(b, to);
      for (let bin = Math.floor((a - from) / step); bin < BINS && from + bin * step < b; bin++)
        sums[(lane * BINS + bin) * kinds + kind] += Math.max(0, Math.min(b, from + (bin + 1) * step) - Math.max(a, from + bin * step));
    };
    const busyUntil = new Float64Array(lanes.length);
    for (const i of events) {
      const lane = lanes.indexOf(e.event_unit[i]);
      const begun = Math.max(start(i), busyUntil[lane]);         // instructions under way at the same time count once
      if (finish(i) > begun) { add(lane, 0, begun, finish(i)); busyUntil[lane] = finish(i); }
      if (e.event_waited[i] > 0) add(lane, e.event_why[i] + 1, Math.max(start(i) - e.event_waited[i], busyUntil[lane] === finish(i) ? -Infinity : busyUntil[lane]), start(i));
    }
    const out = [];
    for (let lane = 0; lane < lanes.length; lane++)
      for (let bin = 0; bin < BINS; bin++) {
        let under = 0;
        for (let kind = 0; kind < kinds; kind++) {
          const share = Math.min(1 - under, sums[(lane * BINS + bin) * kinds + kind] / step);
          if (share > 0.001) out.push([lane, from + bin * step, from + (bin + 1) * step, kind - 1, -1, under, under + share]);
          under += Math.max(0, share);
        }
      }
    return out;
  }

  function renderBar(params, api) {
    const a = api.coord([api.value(1), api.value(0)]), b = api.coord([api.value(2), api.value(0)]);
    const height = api.size([0, 1])[1] * 0.8, low = api.value(5) || 0, high = api.value(5) === undefined || Number.isNaN(api.value(6)) ? 1 : api.value(6);
    const why = api.value(3), single = api.value(4) >= 0;
    const shape = Vendor.echarts.graphic?.clipRectByRect
      ? Vendor.echarts.graphic.clipRectByRect({ x: a[0], y: a[1] + height / 2 - high * height, width: Math.max(b[0] - a[0], single ? 1 : 0.5), height: (high - low) * height }, params.coordSys)
      : { x: a[0], y: a[1] + height / 2 - high * height, width: Math.max(b[0] - a[0], 0.5), height: (high - low) * height };
    if (!shape) return undefined;
    const picked = single && api.value(4) === chosen && why < 0;
    return { type: "rect", shape, style: { fill: why < 0 ? Report.palette[0] : causeColour(why), opacity: why < 0 ? 0.95 : 0.6, stroke: picked ? Report.colour("text") : undefined, lineWidth: picked ? 2.5 : 0 } };
  }

  /** Bytes to and from DRAM per cycle in parts of the window. */
  function bandwidth(events, [from, to]) {
    const step = (to - from) / BINS, sums = new Float64Array(BINS);
    for (const i of events) {
      if (!e.event_dram[i]) continue;
      const rate = e.event_dram[i] / Math.max(1, e.event_cycles[i]);
      for (let bin = Math.max(0, Math.floor((start(i) - from) / step)); bin < BINS && from + bin * step < finish(i); bin++)
        sums[bin] += rate * Math.max(0, Math.min(finish(i), from + (bin + 1) * step) - Math.max(start(i), from + bin * step));
    }
    return Array.from(sums, (s, bin) => [from + (bin + 0.5) * step, s / step]);
  }

  function occupied(name, [from, to]) {
    const values = e[`occupancy_${name}`], size = Report.data.machine.buffers[name], step = (whole[1] - whole[0]) / values.length, out = [];
    for (let i = 0; i < values.length; i++) {
      const at = whole[0] + i * step;
      if (at + 2 * step >= from && at - step <= to) out.push([at, (100 * values[i]) / size]);
    }
    return out;
  }

  function options() {
    const events = visible(window_), single = events.length <= MOST_BARS;
    const data = single ? bars(events) : shares(events, window_);
    $("#time-shown").textContent = `cycles ${number(window_[0])} to ${number(window_[1])}: ${number(events.length)} instructions, ${single ? "one bar each" : "as shares of time"}`;
    const axis = (grid, more = {}) => Report.axis({ type: "value", gridIndex: grid, min: window_[0], max: window_[1], ...more });
    const memories = Object.keys(Report.data.occupancy);
    return {
      tooltip: { trigger: "item", formatter: (p) => tip(p) },
      legend: Report.legend({ data: ["DRAM bytes per cycle", ...memories], top: "70%", selected: Object.fromEntries(memories.map((m) => [m, ["input", "output", "wgt"].includes(m)])) }),
      grid: [{ left: 80, right: 60, top: 10, height: "60%" }, { left: 80, right: 60, top: "77%", bottom: 30 }],
      xAxis: [axis(0, { axisLabel: { color: Report.colour("text"), formatter: (n) => number(n) } }), axis(1, { axisLabel: { show: false } })],
      yAxis: [Report.axis({ type: "category", gridIndex: 0, inverse: true, data: lanes.map((u) => Report.data.units[u]) }),
        Report.axis({ type: "value", gridIndex: 1, name: "B/cycle", splitNumber: 2 }), Report.axis({ type: "value", gridIndex: 1, name: "% full", min: 0, max: 100, splitLine: { show: false }, splitNumber: 2 })],
      dataZoom: [{ type: "inside", xAxisIndex: [0, 1], filterMode: "none", zoomOnMouseWheel: false, moveOnMouseMove: true }],
      series: [
        { type: "custom", name: "units", renderItem: renderBar, data, dimensions: ["lane", "from", "to", "why", "event", "low", "high"], encode: { x: [1, 2], y: 0 }, clip: true },
        { type: "line", name: "DRAM bytes per cycle", xAxisIndex: 1, yAxisIndex: 1, data: bandwidth(events, window_), showSymbol: false, areaStyle: { opacity: 0.25 }, lineStyle: { width: 1 } },
        ...memories.map((name) => ({ type: "line", step: "end", name, xAxisIndex: 1, yAxisIndex: 2, data: occupied(name, window_), showSymbol: false, lineStyle: { width: 1 } }))],
    };
  }

  function tip(p) {
    if (p.seriesType !== "custom") return `${p.seriesName}: ${number(p.value[1])}`;
    const [lane, from, to, why, event, low, high] = p.value;
    const what = why < 0 ? "works" : `waits: ${Report.data.causes[why]}`;
    if (event < 0) return `${Report.data.units[lanes[lane]]} ${what} ${(100 * (high - low)).toFixed(0)} % of cycles ${number(from)} to ${number(to)}`;
    return `${Report.data.units[lanes[lane]]} ${what}, cycles ${number(from)} to ${number(to)}<br>${text(event)}<br>${moduleOf(event)}`;
  }

  const text = (i) => (assembly[e.event_instruction[i]] ?? "").trim();

  // ---- moving ------------------------------------------------------------------------------------------------------------------------
  function setWindow(from, to) {
    const least = Math.min(20, whole[1] - whole[0]), size = Math.min(Math.max(to - from, least), whole[1] - whole[0]);
    from = Math.max(whole[0], Math.min(from, whole[1] - size));
    window_ = [from, from + size];
    chart.redraw();
  }
  const zoom = (factor, around = (window_[0] + window_[1]) / 2) => setWindow(around - (around - window_[0]) * factor, around + (window_[1] - around) * factor);
  const move = (share) => { const size = window_[1] - window_[0]; setWindow(window_[0] + share * size, window_[1] + share * size); };

  function goTo(module) {
    let from = Infinity, to = -Infinity, first = -1;
    for (let i = 0; i < e.event_start.length; i++) {
      const path = moduleOf(i);
      if (path !== module && !path.startsWith(`${module}.`)) continue;
      if (first < 0) first = i;
      from = Math.min(from, start(i)); to = Math.max(to, finish(i));
    }
    if (first < 0) { $("#time-shown").textContent = `no instruction of ${module} is on the time line`; return; }
    setWindow(from - 0.02 * (to - from), to + 0.02 * (to - from));
    select(first);
  }

  // ---- the selected instruction --------------------------------------------------------------------------------------------------------
  function operands(i) {
    let low = 0, high = e.touched_event.length;
    while (low < high) { const middle = (low + high) >> 1; if (e.touched_event[middle] < i) low = middle + 1; else high = middle; }
    const out = [];
    for (; low < e.touched_event.length && e.touched_event[low] === i; low++) out.push(low);
    return out;
  }

  function select(i) {
    chosen = i;
    const instruction = e.event_instruction[i], module = moduleOf(i), by = e.event_by[i];
    const names = Report.data.operands[text(i).split(" ")[0]] || [];
    const rows = operands(i).map((o) => [names[e.touched_operand[o]] ?? "", Report.data.spaces[e.touched_space[o]], e.touched_address[o], e.touched_rows[o], e.touched_row_bytes[o],
      ["", "read", "written", "read and written"][e.touched_access[o]]]);
    $("#instruction").replaceChildren(
      element("p", {}, element("code", { id: "instruction-text" }, text(i))),
      element("p", {}, `instruction ${number(instruction)} of unit ${Report.data.units[e.event_unit[i]]}, cycles ${number(start(i))} to ${number(finish(i))}`,
        e.event_dram[i] ? `, ${Report.bytes(e.event_dram[i])} of DRAM traffic` : ""),
      element("p", {}, "for ", element("span", { id: "instruction-module" }, Report.parts.passes.has(Report.data) ? link(module, () => Report.parts.passes.follow(module)) : module)),
      element("p", { id: "instruction-wait" }, e.event_waited[i] > 0 ? `its unit waited ${number(e.event_waited[i])} cycles before it: ${Report.data.causes[e.event_why[i]]}` : "its unit did not wait for it",
        by >= 0 ? element("span", {}, "; signalled by ", link(text(by), () => { select(by); reveal(by); })) : ""),
      Report.table(rows, [["operand", (r) => r[0]], ["memory", (r) => r[1]], ["address", (r) => r[2], (r) => `0x${r[2].toString(16)}`], ["rows", (r) => r[3]], ["bytes of a row", (r) => r[4]], ["", (r) => r[5]]], { sorted: 0 }));
    chart.redraw();
  }

  function reveal(i) {
    const size = Math.max(200, Math.min(window_[1] - window_[0], 4 * e.event_cycles[i]));
    if (start(i) < window_[0] || finish(i) > window_[1] || window_[1] - window_[0] > 100 * size) setWindow(start(i) - size / 2, start(i) + size / 2);
  }

  // ---- waits -------------------------------------------------------------------------------------------------------------------------
  function showWaits() {
    const { causes, report } = Report.data;
    const rows = Object.entries(report.units).filter(([, u]) => u.instructions);
    $("#waits").replaceChildren(Report.table(rows, [["unit", (r) => r[0]], ["works", (r) => r[1].busy, (r) => number(r[1].busy)],
      ...causes.map((c) => [c, (r) => r[1].stalls[c], (r) => number(r[1].stalls[c])]), ["idle", (r) => r[1].idle, (r) => number(r[1].idle)]], { sorted: 1 }));
    const units = $("#wait-unit");
    units.append(...lanes.map((u) => element("option", { value: u }, Report.data.units[u])));
    units.value = String(Report.data.units.indexOf("array"));
    units.addEventListener("change", showLongest);
    showLongest();
  }

  function showLongest() {
    const unit = Number($("#wait-unit").value), found = [];
    for (let i = 0; i < e.event_start.length; i++) if (e.event_unit[i] === unit && e.event_waited[i] > 0) found.push(i);
    found.sort((a, b) => e.event_waited[b] - e.event_waited[a]);
    $("#longest").replaceChildren(Report.table(found.slice(0, 15), [["cycles", (i) => e.event_waited[i], (i) => number(e.event_waited[i])], ["for", (i) => Report.data.causes[e.event_why[i]]],
      ["before", (i) => e.event_instruction[i], (i) => link(text(i).split(" ")[0] + ` (${e.event_instruction[i]})`, () => { select(i); reveal(i); })], ["module", (i) => moduleOf(i)]], { sorted: 0 }));
  }

  // ---- the part ------------------------------------------------------------------------------------------------------------------------
  async function begin() {
    const names = ["source", ...["unit", "instruction", "start", "cycles", "waited", "why", "by", "dram"].map((n) => `event_${n}`),
      ...["event", "operand", "space", "address", "rows", "row_bytes", "access"].map((n) => `touched_${n}`), ...Object.keys(Report.data.occupancy).map((n) => `occupancy_${n}`)];
    e = await Report.arrays(names);
    assembly = (await Report.text("assembly")).split("\n");
    lanes = [...new Set(e.event_unit)].sort((a, b) => a - b);
    let from = Infinity, to = -Infinity;
    for (let i = 0; i < e.event_start.length; i++) { from = Math.min(from, start(i)); to = Math.max(to, finish(i)); }
    whole = [from, to];
    window_ = [from, to];
    chart = Report.chart("#time-chart", options);
    chart.on("click", (p) => { if (p.seriesType === "custom") { if (p.value[4] >= 0) select(p.value[4]); else zoom(0.1, (p.value[1] + p.value[2]) / 2); } });
    let pending = 0;
    chart.on("datazoom", () => {
      const [z] = chart.getOption().dataZoom;
      const size = window_[1] - window_[0], next = [window_[0] + (z.start / 100) * size, window_[0] + (z.end / 100) * size];
      clearTimeout(pending);
      pending = setTimeout(() => setWindow(...next), 120);
    });
    $("#time-chart").addEventListener("wheel", (event) => {
      event.preventDefault();
      event.stopPropagation();
      const box = $("#time-chart").getBoundingClientRect(), share = Math.min(1, Math.max(0, (event.clientX - box.left - 80) / (box.width - 140)));
      zoom(event.deltaY < 0 ? 0.7 : 1 / 0.7, window_[0] + share * (window_[1] - window_[0]));
    }, { passive: false, capture: true });
    $("#time-chart").addEventListener("keydown", (event) => {
      const act = { ArrowLeft: () => move(-0.2), ArrowRight: () => move(0.2), "+": () => zoom(0.5), "=": () => zoom(0.5), "-": () => zoom(2), Home: () => setWindow(...whole) }[event.key];
      if (act) { event.preventDefault(); act(); }
    });
    $("#zoom-out").addEventListener("click", () => setWindow(...whole));
    $("#zoom-closer").addEventListener("click", () => zoom(0.5));
    $("#zoom-wider").addEventListener("click", () => zoom(2));
    $("#zoom-left").addEventListener("click", () => move(-0.5));
    $("#zoom-right").addEventListener("click", () => move(0.5));
    $("#time-modules").append(...[...new Set(Report.data.modules)].sort().map((path) => element("option", { value: path })));
    $("#time-module").addEventListener("change", (event) => goTo(event.target.value.trim()));
    $("#time-legend").append(...[["works", Report.palette[0]], ...Report.data.causes.map((c, i) => [`waits: ${c}`, causeColour(i)])].map(([name, colour]) => {
      const swatch = element("span", { class: "swatch" });
      swatch.style.background = colour;
      return element("li", {}, swatch, name);
    }));
    const executed = Object.values(Report.data.report.units).reduce((sum, u) => sum + u.instructions, 0);
    if (e.event_start.length < executed) $("#time-legend").append(element("li", { class: "quiet" }, `${number(e.event_start.length)} of ${number(executed)} instructions are on the time line`));
    showWaits();
  }

  return { has: (data) => Boolean(data.causes && data.report), begin, goTo, window: () => window_ };
})();
