// The third part: where cycles, bytes and energy go.
"use strict";

Report.parts.cost = (() => {
  const { $, element, number, link } = Report;
  const MEASURES = [["cycles", "cycles", (m) => m.cycles], ["DRAM bytes", "dram_bytes", (m) => m.dram_bytes], ["multiply-accumulates", "macs", (m) => m.macs],
    ["instructions", "instructions", (m) => m.instructions], ["energy in mJ", "energy_j", (m) => m.energy_j * 1e3]];
  let charts = [];

  /** What a module path belongs to. */
  function group(path, by) {
    if (by === "module" || !path) return path || "other";
    const layer = path.match(/^(.*?(?:layers|blocks|layer)\.\d+)(?:\.|$)/);
    if (by === "layer") return layer ? layer[1] : path.split(".").slice(0, 3).join(".");
    return path.replace(/\.\d+(?=\.|$)/g, ".*");
  }

  const units = () => Object.keys(Report.data.report.units).filter((u) => Report.data.report.units[u].instructions);
  const modules = () => Object.entries(Report.data.report.modules);

  function grouped() {
    const by = $("#grouping").value, out = new Map();
    for (const [path, m] of modules()) {
      const name = group(path, by);
      if (!out.has(name)) out.set(name, { cycles: 0, dram_bytes: 0, macs: 0, instructions: 0, energy_j: 0 });
      const sum = out.get(name);
      for (const key of Object.keys(m)) sum[key] = (sum[key] || 0) + m[key];
    }
    return out;
  }

  function costOptions() {
    const measure = $("#measure").value, sums = [...grouped()];
    const busy = measure === "busy";
    const value = busy ? (m) => units().reduce((s, u) => s + m[`busy_${u}`], 0) : MEASURES.find((m) => m[1] === measure)[2];
    const shown = $("#grouping").value === "layer" ? sums : sums.sort((a, b) => value(b[1]) - value(a[1])).slice(0, 40);
    $("#cost-title").textContent = `${busy ? "cycles that units work" : MEASURES.find((m) => m[1] === measure)[0]} by ${$("#grouping").selectedOptions[0].textContent}`;
    const series = busy ? units().map((u) => ({ type: "bar", stack: "all", name: u, data: shown.map(([, m]) => m[`busy_${u}`]) }))
      : [{ type: "bar", name: measure, data: shown.map(([, m]) => value(m)) }];
    return { grid: { left: 8, right: 30, top: busy ? 30 : 8, bottom: 30, containLabel: true }, legend: busy ? Report.legend() : undefined, tooltip: { trigger: "axis", axisPointer: { type: "shadow" }, valueFormatter: number },
      xAxis: Report.axis({ type: "value", axisLabel: { color: Report.colour("text"), formatter: short } }),
      yAxis: Report.axis({ type: "category", inverse: true, data: shown.map(([name]) => name), axisLabel: { color: Report.colour("text"), formatter: (n) => (n.length > 34 ? `...${n.slice(-31)}` : n) } }),
      dataZoom: shown.length > 30 ? [{ type: "slider", yAxisIndex: 0, right: 0, width: 14, startValue: 0, endValue: 29 }] : undefined, series };
  }

  function short(n) {
    for (const [size, unit] of [[1e12, "T"], [1e9, "G"], [1e6, "M"], [1e3, "k"]]) if (Math.abs(n) >= size) return `${+(n / size).toPrecision(3)}${unit}`;
    return String(n);
  }

  function rooflineOptions() {
    const { macs_per_cycle: most, bytes_per_cycle: rate } = Report.data.machine;
    const points = modules().filter(([, m]) => m.macs && m.dram_bytes && m.cycles).map(([path, m]) => [m.macs / m.dram_bytes, m.macs / m.cycles, path, m.cycles]);
    const largest = Math.max(1, ...points.map((p) => p[3])), xs = points.map((p) => p[0]);
    const low = Math.min(most / rate / 4, ...xs) / 1.5, high = Math.max((most / rate) * 4, ...xs) * 1.5;
    return { grid: { left: 60, right: 20, top: 30, bottom: 45 },
      tooltip: { formatter: (p) => (p.seriesName === "modules" ? `${p.value[2]}<br>${p.value[0].toPrecision(3)} MAC/byte, ${number(p.value[1])} MAC/cycle (${((100 * p.value[1]) / most).toFixed(0)} % of the array), ${number(p.value[3])} cycles` : p.seriesName) },
      xAxis: Report.axis({ type: "log", name: "multiply-accumulates per byte of DRAM traffic", nameLocation: "middle", nameGap: 26, min: low, max: high, axisLabel: { color: Report.colour("text"), formatter: (n) => String(+n.toPrecision(2)) } }),
      yAxis: Report.axis({ type: "log", name: "MAC per cycle", max: most * 2, axisLabel: { color: Report.colour("text"), formatter: short } }),
      series: [{ type: "line", name: "the machine", showSymbol: false, data: [[low, low * rate], [most / rate, most], [high, most]], lineStyle: { color: Report.colour("text") } },
        { type: "scatter", name: "modules", data: points, symbolSize: (p) => 5 + 20 * Math.sqrt(p[3] / largest), itemStyle: { opacity: 0.7 } }] };
  }

  const horizontal = (names, series, format, max) => ({ grid: { left: 8, right: 40, top: series.length > 1 ? 30 : 8, bottom: 24, containLabel: true }, legend: series.length > 1 ? Report.legend() : undefined,
    tooltip: { trigger: "axis", axisPointer: { type: "shadow" }, valueFormatter: format }, xAxis: Report.axis({ type: "value", max, axisLabel: { color: Report.colour("text"), formatter: (n) => format(n) } }),
    yAxis: Report.axis({ type: "category", inverse: true, data: names }), series });

  function energyOptions() {
    const all = Object.entries(Report.data.report.energy.components).filter(([, j]) => j > 0).sort((a, b) => b[1] - a[1]);
    const others = all.splice(11);
    if (others.length) all.push([`${others.length} others`, others.reduce((sum, [, j]) => sum + j, 0)]);
    return horizontal(all.map(([n]) => n), [{ type: "bar", name: "joules", data: all.map(([, j]) => j) }], (j) => `${+(j * 1e3).toPrecision(3)} mJ`);
  }

  function unitOptions() {
    const { causes, report } = Report.data, names = units(), all = report.cycles;
    const share = (f) => names.map((u) => (100 * f(report.units[u])) / all);
    const stalls = causes || Object.keys(report.units[names[0]].stalls);
    return horizontal(names, [{ type: "bar", stack: "all", name: "works", data: share((u) => u.busy) },
      ...stalls.map((c) => ({ type: "bar", stack: "all", name: `waits: ${c}`, data: share((u) => u.stalls[c]) })),
      { type: "bar", stack: "all", name: "idle", data: share((u) => u.idle), itemStyle: { color: Report.colour("line") } }], (n) => `${+n.toPrecision(3)} %`, 100);
  }

  function predictedOptions() {
    const points = modules().filter(([path, m]) => Report.data.predicted[path] && m.cycles).map(([path, m]) => [Report.data.predicted[path].cycles, m.cycles, path]);
    const ends = [Math.min(...points.flatMap((p) => [p[0], p[1]])) / 1.3, Math.max(...points.flatMap((p) => [p[0], p[1]])) * 1.3];
    return { grid: { left: 60, right: 20, top: 20, bottom: 45 },
      tooltip: { formatter: (p) => (p.value[2] ? `${p.value[2]}<br>predicted ${number(p.value[0])}, simulated ${number(p.value[1])} (${(100 * (p.value[0] / p.value[1] - 1)).toFixed(1)} %)` : "") },
      xAxis: Report.axis({ type: "log", name: "predicted", nameLocation: "middle", nameGap: 26, min: ends[0], max: ends[1], axisLabel: { color: Report.colour("text"), formatter: (n) => short(Math.round(n)) } }),
      yAxis: Report.axis({ type: "log", name: "simulated", min: ends[0], max: ends[1], axisLabel: { color: Report.colour("text"), formatter: (n) => short(Math.round(n)) } }),
      series: [{ type: "line", showSymbol: false, silent: true, data: ends.map((x) => [x, x]), lineStyle: { color: Report.colour("quiet"), type: "dashed" } }, { type: "scatter", data: points, symbolSize: 9, itemStyle: { opacity: 0.7 } }] };
  }

  function occupancyOptions() {
    const all = Object.entries(Report.data.occupancy), { buffers } = Report.data.machine;
    return horizontal(all.map(([n]) => `${n} (${Report.bytes(buffers[n])})`), [{ type: "bar", name: "% full", data: all.map(([n, most]) => (100 * most) / buffers[n]) }], (n) => `${+n.toPrecision(3)} %`);
  }

  function moduleTable() {
    const { predicted, machine, report } = Report.data, some = Object.keys(predicted).length > 0;
    const rows = modules().map(([path, m]) => ({ path, ...m, share: m.cycles / report.cycles, used: m.cycles ? m.macs / m.cycles / machine.macs_per_cycle : 0, said: predicted[path] }));
    const follow = (r) => (Report.parts.passes.has(Report.data) && r.path ? link(r.path, () => Report.parts.passes.follow(r.path)) : r.path);
    const columns = [["module", (r) => r.path, follow], ["cycles", (r) => r.cycles, (r) => number(r.cycles)], ["share", (r) => r.share, (r) => `${(100 * r.share).toFixed(1)} %`]];
    if (some) columns.push(["predicted", (r) => r.said?.cycles ?? -1, (r) => (r.said ? number(Math.round(r.said.cycles)) : "")]);
    columns.push(["array used", (r) => r.used, (r) => `${(100 * r.used).toFixed(0)} %`], ["MACs", (r) => r.macs, (r) => number(r.macs)], ["DRAM", (r) => r.dram_bytes, (r) => Report.bytes(r.dram_bytes)],
      ["energy", (r) => r.energy_j, (r) => `${+(r.energy_j * 1e3).toPrecision(4)} mJ`]);
    if (some) columns.push(["DRAM predicted", (r) => r.said?.dram_bytes ?? -1, (r) => (r.said ? Report.bytes(Math.round(r.said.dram_bytes)) : "")]);
    columns.push(["instructions", (r) => r.instructions, (r) => number(r.instructions)]);
    if (Report.data.errors) {
      for (const r of rows) r.check = Report.data.errors[r.path];
      const few = (x) => x.toExponential(1);
      columns.push(["difference to PyTorch", (r) => r.check?.error ?? -1, (r) => (r.check ? element("span", { class: r.check.error > r.check.allowed ? "less" : "", title: r.check.holds }, few(r.check.error) + (r.check.error > r.check.allowed ? " differs" : "")) : "")],
        ["fp16 explains", (r) => r.check?.allowed ?? -1, (r) => (r.check ? few(r.check.allowed) : "")]);
    }
    $("#module-table").replaceChildren(Report.table(rows, columns));
  }

  function errorOptions() {
    const all = Object.entries(Report.data.errors), few = (x) => Number(x).toExponential(1);
    const values = (key) => all.map(([path, e]) => ({ value: e[key], name: path }));
    return { grid: { left: 70, right: 20, top: 30, bottom: 30 }, legend: Report.legend(), tooltip: { trigger: "axis", formatter: (p) => `${p[0].data.name}<br>${p.map((s) => `${s.seriesName}: ${few(s.value)}`).join("<br>")}` },
      xAxis: Report.axis({ type: "category", data: all.map((_, i) => i + 1), name: "in program order" }), yAxis: Report.axis({ type: "log", axisLabel: { color: Report.colour("text"), formatter: few } }),
      series: [{ type: "line", name: "difference to PyTorch", data: values("error"), symbolSize: 6 }, { type: "line", name: "fp16 explains", data: values("allowed"), showSymbol: false, lineStyle: { type: "dashed" } }] };
  }

  async function begin() {
    $("#measure").append(...[...MEASURES, ["cycles of each unit", "busy"]].map(([name, key]) => element("option", { value: key }, name)));
    charts = [Report.chart("#cost-chart", costOptions)];
    for (const id of ["#measure", "#grouping"]) $(id).addEventListener("change", () => charts[0].redraw());
    Report.chart("#roofline", rooflineOptions);
    Report.chart("#energy", energyOptions);
    Report.chart("#unit-chart", unitOptions);
    const matched = modules().some(([path, m]) => Report.data.predicted[path] && m.cycles);
    if (matched) Report.chart("#predicted", predictedOptions); else $("#predicted-figure").hidden = true;
    if (Report.data.occupancy && Object.keys(Report.data.occupancy).length) Report.chart("#occupancy", occupancyOptions); else $("#occupancy-figure").hidden = true;
    if (Report.data.errors) Report.chart("#errors", errorOptions); else $("#errors-figure").hidden = true;
    moduleTable();
  }

  return { has: (data) => Boolean(data.report), begin };
})();
