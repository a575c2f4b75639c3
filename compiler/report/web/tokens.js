// The fourth part: which tokens are left layer by layer, and which vectors repeat others.
"use strict";

Report.parts.tokens = (() => {
  const { $, element, number } = Report;
  const GAP = 6;
  let retained = {}, groups = {}, pixels = null, layer = 0, site = "", chosen = -1, places = [], cells = new Map();

  const tokens = () => Report.data.tokens;
  const siteOf = (name) => tokens().sites.find((s) => s.name === name);

  /** Original numbers of the tokens that a layer's MLP has. */
  const left = (l) => retained[`${l}/gate_proj`] || retained[`${l}/q_proj`] || null;

  // ---- where tokens are ------------------------------------------------------------------------------------------------------------
  /** The frame, row and column of each visual token, -1 for one that is in no cell (newlines). */
  function placed() {
    const out = Array.from({ length: tokens().V }, () => null);
    let before = 0;
    for (const g of tokens().grids) {
      for (let f = 0; f < g.frames; f++) for (let h = 0; h < g.height; h++) for (let w = 0; w < g.width; w++)
        out[g.first + f * g.frame_stride + h * g.height_stride + w * g.width_stride] = { frame: before + f, h, w, grid: g };
      before += g.frames;
    }
    return { out, frames: before };
  }

  // ---- what is merged at a site ------------------------------------------------------------------------------------------------------
  /** For each token left at a site: how many of its vectors another token's stands for. */
  function merged(name) {
    const s = siteOf(name), rows = retained[name], group = groups[name], share = new Map();
    if (!s || !s.merged || !group) return share;
    for (let row = 0; row < rows.length; row++) {
      let n = 0;
      for (let k = 0; k < s.slices; k++) if (group[row * s.slices + k] !== row) n++;
      share.set(rows[row], n / s.slices);
    }
    return share;
  }

  /** Tokens that stand for vectors of a token at a site, with how many: [[token, count]]. */
  function representatives(name, token) {
    const s = siteOf(name), rows = retained[name], group = groups[name], row = rows ? rows.indexOf(token) : -1, count = new Map();
    if (!s || !s.merged || !group || row < 0) return [];
    for (let k = 0; k < s.slices; k++) {
      const other = rows[group[row * s.slices + k]];
      if (other !== token) count.set(other, (count.get(other) || 0) + 1);
    }
    return [...count].sort((a, b) => b[1] - a[1]);
  }

  // ---- drawing -------------------------------------------------------------------------------------------------------------------------
  function draw() {
    const canvas = $("#frames"), { out, frames } = places, only = $("#frame").value;
    const shownFrames = only === "all" ? Array.from({ length: frames }, (_, i) => i) : [Number(only)];
    const grid = tokens().grids[0], ratio = grid.height / grid.width;
    const width = only === "all" ? Math.max(110, Math.min(230, Math.floor(900 / Math.min(4, shownFrames.length)))) : 720;
    const height = Math.round(width * ratio), perRow = Math.max(1, Math.floor((920 + GAP) / (width + GAP)));
    canvas.width = Math.min(perRow, shownFrames.length) * (width + GAP) - GAP;
    canvas.height = Math.ceil(shownFrames.length / perRow) * (height + GAP) - GAP;
    const g = canvas.getContext("2d");
    g.fillStyle = Report.colour("raised");
    g.fillRect(0, 0, canvas.width, canvas.height);
    const corner = (f) => { const i = shownFrames.indexOf(f); return [(i % perRow) * (width + GAP), Math.floor(i / perRow) * (height + GAP)]; };
    for (const f of shownFrames) drawFrame(g, f, ...corner(f), width, height);
    const there = new Set(left(layer)), share = site ? merged(`${layer}/${site}`) : new Map();
    cells = new Map();
    for (let token = 0; token < out.length; token++) {
      const p = out[token];
      if (!p || !shownFrames.includes(p.frame)) continue;
      const [x, y] = corner(p.frame), cw = width / p.grid.width, ch = height / p.grid.height, box = [x + p.w * cw, y + p.h * ch, cw, ch];
      cells.set(token, box);
      if (!pixels) { g.fillStyle = Report.colour("accent"); g.fillRect(...box); }         // no pictures: tokens alone
      if (!there.has(token)) { g.fillStyle = Report.colour("dim"); g.fillRect(...box); }
      else if (share.has(token)) { g.fillStyle = `hsla(${210 - 190 * share.get(token)}, 90%, 50%, .55)`; g.fillRect(...box); }
      if (width > 300 || there.size < 400 || !pixels) { g.strokeStyle = "rgba(128,128,128,.35)"; g.lineWidth = 0.5; g.strokeRect(...box); }
    }
    drawChosen(g);
    const scope = only === "all" ? [...there] : [...there].filter((t) => out[t] && out[t].frame === Number(only));
    $("#kept").textContent = `After layer ${layer}: ${number(there.size)} of ${number(tokens().V)} visual tokens are left` +
      (only === "all" ? "" : `; of frame ${only}: ${scope.map((t) => `(${out[t].h}, ${out[t].w})`).join(" ") || "none"}`) + ".";
    $("#layer-shown").textContent = String(layer);
    $("#scale").hidden = !site;
  }

  function drawFrame(g, frame, x, y, width, height) {
    const f = Report.data.frames;
    if (!f || !pixels) return;
    const image = new ImageData(f.width, f.height), from = frame * f.width * f.height * 3;
    for (let i = 0; i < f.width * f.height; i++) {
      for (let c = 0; c < 3; c++) image.data[4 * i + c] = pixels[from + 3 * i + c];
      image.data[4 * i + 3] = 255;
    }
    const small = document.createElement("canvas");
    small.width = f.width; small.height = f.height;
    small.getContext("2d").putImageData(image, 0, 0);
    g.drawImage(small, x, y, width, height);
  }

  function drawChosen(g) {
    const box = cells.get(chosen);
    if (!box) return;
    const centre = (b) => [b[0] + b[2] / 2, b[1] + b[3] / 2];
    g.lineWidth = 2.5;
    g.strokeStyle = "#ff2d87";
    g.strokeRect(...box);
    for (const [other, n] of representatives(`${layer}/${site}`, chosen)) {
      const to = cells.get(other);
      if (!to) continue;
      g.lineWidth = 1 + 0.4 * n;
      g.beginPath(); g.moveTo(...centre(box)); g.lineTo(...centre(to)); g.stroke();
      g.strokeRect(...to);
    }
  }

  const named = (token) => { const p = places.out[token]; return p ? `token ${token} (frame ${p.frame}, row ${p.h}, column ${p.w})` : `token ${token} (between rows)`; };

  /** What is known of a token's vectors at a site: of a long run, of some. */
  const vectors = (s) => (s.slices < s.of ? `${s.slices} of its ${s.of} vectors` : `its ${s.of} vectors`);

  function choose(token) {
    chosen = token;
    const name = `${layer}/${site}`, s = siteOf(name), links = representatives(name, token), there = new Set(left(layer));
    let until = -1;
    for (let l = 0; l < tokens().layers; l++) if (left(l) && new Set(left(l)).has(token)) until = l;
    Report.fill($("#token"),
      element("p", {}, element("b", {}, named(token))),
      element("p", {}, until === tokens().layers - 1 ? "is left to the end" : until < 0 ? "is dropped in layer 0" : `is dropped in layer ${until + 1}`),
      s && s.merged && there.has(token) ? element("p", {}, links.length ? `At ${site} of layer ${layer}, of ${vectors(s)} others stand for ${links.reduce((sum, [, n]) => sum + n, 0)}:` : `At ${site} of layer ${layer}, all of ${vectors(s)} are its own.`) : null,
      element("ul", {}, ...links.map(([other, n]) => element("li", {}, `${n}: ${named(other)}`))));
    draw();
  }

  function listSites() {
    const before = site, names = tokens().sites.filter((s) => s.merged && s.name.startsWith(`${layer}/`)).map((s) => s.name.split("/")[1]);
    $("#site").replaceChildren(element("option", { value: "" }, "pruned tokens only"), ...names.map((n) => element("option", { value: n }, `merged at ${n}`)));
    site = names.includes(before) ? before : "";
    $("#site").value = site;
  }

  // ---- charts --------------------------------------------------------------------------------------------------------------------------
  function ratioOptions() {
    const { sites } = Report.data.report || { sites: {} }, names = [...new Set(Object.keys(sites).map((k) => k.split("/")[1]))];
    const layers = [...new Set(Object.keys(sites).map((k) => Number(k.split("/")[0])))].sort((a, b) => a - b);
    return { grid: { left: 45, right: 15, top: 35, bottom: 40 }, legend: Report.legend(), tooltip: { trigger: "axis", valueFormatter: (n) => (n === null ? "" : `${(+n).toFixed(1)} %`) },
      xAxis: Report.axis({ type: "category", data: layers, name: "layer", nameLocation: "middle", nameGap: 25 }), yAxis: Report.axis({ type: "value", min: 0, max: 100, axisLabel: { color: Report.colour("text"), formatter: "{value} %" } }),
      series: names.map((n) => ({ type: "line", name: n, data: layers.map((l) => (sites[`${l}/${n}`] ? 100 * sites[`${l}/${n}`].ratio : null)) })) };
  }

  function leftOptions() {
    const layers = Array.from({ length: tokens().layers }, (_, l) => l);
    return { grid: { left: 55, right: 15, top: 15, bottom: 40 }, tooltip: { trigger: "axis" }, xAxis: Report.axis({ type: "category", data: layers, name: "layer", nameLocation: "middle", nameGap: 25 }),
      yAxis: Report.axis({ type: "value" }), series: [{ type: "bar", name: "visual tokens after it", data: layers.map((l) => (left(l) ? left(l).length : null)) }] };
  }

  // ---- the part ------------------------------------------------------------------------------------------------------------------------
  async function begin() {
    for (const s of tokens().sites) {
      retained[s.name] = await Report.array(`retained_${s.name}`);
      if (s.merged) groups[s.name] = await Report.array(`group_${s.name}`);
    }
    pixels = await Report.array("frames");
    places = placed();
    const slider = $("#layer");
    slider.max = String(Math.max(0, tokens().layers - 1));
    slider.addEventListener("input", () => { layer = Number(slider.value); listSites(); draw(); if (chosen >= 0) choose(chosen); });
    $("#site").addEventListener("change", (event) => { site = event.target.value; draw(); if (chosen >= 0) choose(chosen); });
    $("#frame").append(element("option", { value: "all" }, "all"), ...Array.from({ length: places.frames }, (_, f) => element("option", { value: f }, String(f))));
    $("#frame").addEventListener("change", draw);
    const canvas = $("#frames");
    canvas.addEventListener("click", (event) => {
      const box = canvas.getBoundingClientRect(), x = ((event.clientX - box.left) * canvas.width) / box.width, y = ((event.clientY - box.top) * canvas.height) / box.height;
      for (const [token, [a, b, w, h]] of cells) if (a <= x && x < a + w && b <= y && y < b + h) { choose(token); return; }
    });
    canvas.addEventListener("keydown", (event) => {
      const p = places.out[chosen] || places.out.find(Boolean), step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
      if (!step || !p) return;
      event.preventDefault();
      const next = places.out.findIndex((q) => q && q.frame === p.frame && q.h === p.h + (chosen < 0 ? 0 : step[0]) && q.w === p.w + (chosen < 0 ? 0 : step[1]));
      if (next >= 0) choose(next);
    });
    listSites();
    draw();
    Report.chart("#left", leftOptions);
    if (Report.data.report && Object.keys(Report.data.report.sites).length) Report.chart("#ratios", ratioOptions);
  }

  return { has: (data) => Boolean(data.tokens && data.tokens.V), begin, themed: () => { if (cells.size) draw(); } };
})();
