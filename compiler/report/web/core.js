// What all parts of the report share: data, tabs, themes, small helpers.
"use strict";

const Report = { parts: {}, data: null, charts: new Set() };

Report.$ = (selector, root = document) => root.querySelector(selector);

/** An element with attributes (functions are listeners) and children (nodes or text). */
Report.element = (tag, attributes = {}, ...children) => {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (typeof value === "function") node.addEventListener(name, value);
    else if (value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== undefined));
  return node;
};

/** Gives an element new children; null is none. */
Report.fill = (node, ...children) => node.replaceChildren(...children.filter((child) => child !== null && child !== undefined));

Report.number = (n) => (n === null || n === undefined || Number.isNaN(n) ? "" : Math.abs(n) >= 100 || Number.isInteger(n) ? Math.round(n).toLocaleString("en-US") : n.toPrecision(3));

Report.bytes = (n) => {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  while (n >= 1024 && i < units.length - 1) { n /= 1024; i++; }
  return `${i ? n.toFixed(1) : n} ${units[i]}`;
};

// ---- data ---------------------------------------------------------------------------------------------------------------------
const unpacked = new Map();

/** The bytes of a part, unpacked once. */
function unpack(name) {
  if (!unpacked.has(name)) {
    const node = document.getElementById(`part-${name}`);
    if (!node) return Promise.resolve(null);
    const binary = atob(node.textContent);
    const raw = new Uint8Array(binary.length);
    for (let i = 0; i < binary.length; i++) raw[i] = binary.charCodeAt(i);
    node.textContent = "";
    const stream = new Blob([raw]).stream().pipeThrough(new DecompressionStream("gzip"));
    unpacked.set(name, new Response(stream).arrayBuffer());
  }
  return unpacked.get(name);
}

const texts = new Map();
Report.text = async (name) => {
  if (!texts.has(name)) {
    const raw = await unpack(`text-${name}`);
    texts.set(name, raw === null ? null : new TextDecoder().decode(raw));
  }
  return texts.get(name);
};

const KINDS = { uint8: Uint8Array, int32: Int32Array, float64: Float64Array };
Report.array = async (name) => {
  const raw = await unpack(`array-${name}`);
  return raw === null ? null : new KINDS[document.getElementById(`part-array-${name}`).dataset.kind](raw);
};

Report.arrays = async (names) => Object.fromEntries(await Promise.all(names.map(async (n) => [n, await Report.array(n)])));

// ---- tabs ---------------------------------------------------------------------------------------------------------------------
const TABS = [["passes", "Passes"], ["time", "Time line"], ["cost", "Cost"], ["tokens", "Concentration"]];
const begun = new Map();

/** Show a part; it is made when it is first shown.  Resolves when it is there. */
Report.show = (id) => {
  for (const tab of document.querySelectorAll("[role=tab]")) {
    const chosen = tab.id === `tab-${id}`;
    tab.setAttribute("aria-selected", chosen);
    tab.tabIndex = chosen ? 0 : -1;
  }
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== id;
  if (!begun.has(id)) begun.set(id, Report.parts[id].begin());
  return begun.get(id).then(() => { for (const chart of Report.charts) chart.resize(); });
};

function makeTabs() {
  const bar = Report.$("#tabs");
  const there = TABS.filter(([id]) => Report.parts[id] && Report.parts[id].has(Report.data));
  for (const [id, name] of there)
    bar.append(Report.element("button", { role: "tab", id: `tab-${id}`, type: "button", "aria-controls": id, click: () => Report.show(id) }, name));
  bar.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    const ids = there.map(([id]) => id);
    const next = ids[(ids.indexOf(document.activeElement.id.slice(4)) + step + ids.length) % ids.length];
    Report.show(next);
    Report.$(`#tab-${next}`).focus();
  });
  return there.map(([id]) => id);
}

// ---- themes and charts --------------------------------------------------------------------------------------------------------
Report.dark = () => document.documentElement.dataset.theme === "dark";
Report.colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
Report.palette = ["#2f6fde", "#d9822b", "#2a9d6f", "#b5428f", "#8a6fd1", "#c0392b", "#5d8aa8", "#a08a2f", "#3aa6b9", "#7a7a7a"];

/** A chart in an element; `options` is a function, so that it can be drawn anew in other colours. */
Report.chart = (selector, options) => {
  const node = typeof selector === "string" ? Report.$(selector) : selector;
  const chart = Vendor.echarts.init(node, null, { renderer: "canvas" });
  const base = () => ({ animation: false, backgroundColor: "transparent", color: Report.palette, textStyle: { color: Report.colour("text"), fontFamily: "system-ui, sans-serif" },
    aria: { enabled: true }, tooltip: { confine: true, backgroundColor: Report.colour("raised"), borderColor: Report.colour("line"), textStyle: { color: Report.colour("text") } } });
  const merged = () => { const b = base(), o = options(); return { ...b, ...o, tooltip: { ...b.tooltip, ...(o.tooltip || {}) } }; };
  chart.redraw = () => chart.setOption(merged(), true);
  chart.redraw();
  Report.charts.add(chart);
  return chart;
};

/** Axis settings in the colours of the theme. */
Report.axis = (more) => ({ axisLine: { lineStyle: { color: Report.colour("quiet") } }, axisLabel: { color: Report.colour("text") }, nameTextStyle: { color: Report.colour("text") },
  splitLine: { lineStyle: { color: Report.colour("line") } }, ...more });
Report.legend = (more = {}) => ({ textStyle: { color: Report.colour("text") }, type: "scroll", top: 0, ...more });

function setTheme(name) {
  document.documentElement.dataset.theme = name;
  for (const chart of Report.charts) chart.redraw();
  for (const part of Object.values(Report.parts)) if (part.themed) part.themed();
}

window.addEventListener("resize", () => { for (const chart of Report.charts) chart.resize(); });

/** A table whose columns can be sorted: [title, value of a row, text of it]. */
Report.table = (rows, columns, { sorted = 1, limit = 1000 } = {}) => {
  const table = Report.element("table");
  let by = sorted, down = true;
  const draw = () => {
    const key = columns[by][1];
    const order = [...rows].sort((a, b) => { const x = key(a), y = key(b); return (x > y ? 1 : x < y ? -1 : 0) * (down ? -1 : 1); });
    table.replaceChildren(
      Report.element("thead", {}, Report.element("tr", {}, ...columns.map(([title], i) => Report.element("th", { "aria-sort": i === by ? (down ? "descending" : "ascending") : "none" },
        Report.element("button", { type: "button", click: () => { down = i === by ? !down : i > 0; by = i; draw(); } }, title))))),
      Report.element("tbody", {}, ...order.slice(0, limit).map((row) => Report.element("tr", {}, ...columns.map(([, value, show]) => {
        const shown = show ? show(row) : value(row);
        return Report.element("td", {}, shown instanceof Node ? shown : String(shown ?? ""));
      })))));
  };
  draw();
  return table;
};

Report.link = (text, go) => Report.element("button", { type: "button", class: "link", click: go }, text);

// ---- begin --------------------------------------------------------------------------------------------------------------------
Report.begin = async () => {
  Report.data = JSON.parse(new TextDecoder().decode(await unpack("data")));
  const { data, number } = Report;
  setTheme(window.matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light");
  Report.$("#theme").addEventListener("click", () => setTheme(Report.dark() ? "light" : "dark"));
  const facts = [];
  if (data.machine) facts.push(`machine ${data.machine.name}`);
  if (data.report) {
    const r = data.report;
    facts.push(`${number(r.cycles)} cycles`, `${number(r.seconds * 1e3)} ms`, `${Report.bytes(r.dram_bytes)} DRAM`, `${number(r.energy_j * 1e3)} mJ`,
      `array ${(100 * r.utilization).toFixed(1)} % used`);
  }
  if (data.levels.length) facts.push(`${data.levels.length - 1} passes`);
  Report.$("#facts").textContent = facts.join(" · ");
  const there = makeTabs();
  await Report.show(there[0]);
  Report.readyAt = performance.now();         // ms since the page was asked for
  document.body.dataset.ready = "true";
};
