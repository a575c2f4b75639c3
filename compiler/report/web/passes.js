// The first part: IR after each pass, differences, values, and one module followed through all levels.
"use strict";

Report.parts.passes = (() => {
  const { $, element, number, link } = Report;
  const V = Vendor;
  let view = "ir", pass = 0, module = "", editor = null, merge = null, shownLines = [];

  // ---- MLIR as CodeMirror reads it ---------------------------------------------------------------------------------------------
  const language = V.StreamLanguage.define({
    name: "mlir",
    token(stream) {
      if (stream.eatSpace()) return null;
      if (stream.match("//")) { stream.skipToEnd(); return "comment"; }
      if (stream.match(/^"(?:[^"\\]|\\.)*"/)) return stream.match(/^\s*\(/, false) ? "keyword" : "string";
      if (stream.match(/^%[\w.$-]+(?::\d+|#\d+)?/)) return "variableName";
      if (stream.match(/^@[\w.$-]+/)) return "labelName";
      if (stream.match(/^[!#][\w.]+/)) return "typeName";
      if (stream.match(/^(?:tensor|memref|vector|index|none|f16|f32|f64|bf16|[su]?i\d+)\b/)) return "typeName";
      if (stream.match(/^-?(?:0x[\da-fA-F]+|\d+(?:\.\d+)?(?:[eE][+-]?\d+)?)/)) return "number";
      if (stream.match(/^[a-zA-Z_][\w]*\.[\w.]+/)) return "keyword";
      if (stream.match(/^(?:module|call|return|private|to|step|iter_args)\b/)) return "keyword";
      if (stream.match(/^[a-zA-Z_][\w$-]*/)) return null;
      stream.next();
      return null;
    },
  });
  const t = V.tags;
  const colours = V.HighlightStyle.define([
    { tag: t.keyword, class: "tok-op" }, { tag: t.variableName, class: "tok-value" }, { tag: t.labelName, class: "tok-symbol" }, { tag: t.typeName, class: "tok-type" },
    { tag: t.number, class: "tok-number" }, { tag: t.string, class: "tok-string" }, { tag: t.comment, class: "tok-comment" }]);

  // ---- a value's definition and uses ---------------------------------------------------------------------------------------------
  const setMarks = V.StateEffect.define();
  const marks = V.StateField.define({
    create: () => V.Decoration.none,
    update(value, transaction) {
      for (const effect of transaction.effects) if (effect.is(setMarks)) value = effect.value;
      return value;
    },
    provide: (field) => V.EditorView.decorations.from(field),
  });
  const valuePattern = /%[\w.$-]+/g;

  /** The value under a position of a document, or null. */
  function valueAt(doc, position) {
    const line = doc.lineAt(position);
    for (const match of line.text.matchAll(valuePattern))
      if (match.index <= position - line.from && position - line.from <= match.index + match[0].length) return match[0];
    return null;
  }

  /** Lines of the function around a line: values are known inside one only. */
  function functionAround(doc, lineNumber) {
    const begins = (n) => /^\s*(?:func\.func|"?fisa\.routine)/.test(doc.line(n).text);
    let first = lineNumber, last = lineNumber + 1;
    while (first > 1 && !begins(first)) first--;
    while (last <= doc.lines && !begins(last)) last++;
    return [first, last - 1];
  }

  /** Where a value is defined and used: [{from, to, line, definition}]. */
  function occurrences(doc, position, name) {
    const [first, last] = functionAround(doc, doc.lineAt(position).number);
    const found = [];
    for (let n = first; n <= last; n++) {
      const line = doc.line(n);
      if (!line.text.includes(name)) continue;
      for (const match of line.text.matchAll(valuePattern)) {
        if (match[0] !== name) continue;
        const before = line.text.slice(0, match.index), after = line.text.slice(match.index + name.length);
        const result = /^\s*(?:%[\w.$:-]+\s*,\s*)*$/.test(before) && /^(?::\d+)?\s*(?:,\s*%[\w.$:-]+\s*)*=/.test(after);
        const argument = /^:\s/.test(after) || /(?:scf\.for|affine\.for)\s+$/.test(before);
        found.push({ from: line.from + match.index, to: line.from + match.index + name.length, line: n, text: line.text.trim(), definition: result || argument });
      }
    }
    return found;
  }

  function mark(target, position) {
    const { doc } = target.state;
    const name = valueAt(doc, position);
    if (name === null) return;
    const found = occurrences(doc, position, name);
    const builder = new V.RangeSetBuilder();
    for (const o of found) builder.add(o.from, o.to, V.Decoration.mark({ class: o.definition ? "val-def" : "val-use" }));
    target.dispatch({ effects: setMarks.of(builder.finish()) });
    showValue(target, name, found);
  }

  function showValue(target, name, found) {
    const jump = (o) => link(`line ${o.line}`, () => {
      target.dispatch({ selection: { anchor: o.from }, effects: V.EditorView.scrollIntoView(o.from, { y: "center" }) });
      target.focus();
    });
    const entry = (o) => element("li", {}, jump(o), element("pre", {}, o.text.length > 300 ? `${o.text.slice(0, 300)} ...` : o.text));
    const definitions = found.filter((o) => o.definition), uses = found.filter((o) => !o.definition);
    const path = pathOfLine(target.state.doc.lineAt(found[0].from).number);
    $("#value").replaceChildren(
      element("p", {}, element("code", { id: "value-name" }, name)),
      path ? element("p", {}, link(path, () => choose(path)), " ", link("follow it", () => { choose(path); setView("follow"); })) : element("p", {}),
      element("h3", {}, "defined"), element("ul", { id: "value-definitions" }, ...definitions.map(entry)),
      element("h3", {}, `used ${uses.length} times`), element("ul", { id: "value-uses" }, ...uses.slice(0, 50).map(entry)));
  }

  /** The module path of a line that is shown. */
  const pathOfLine = (lineNumber) => shownLines[lineNumber - 1]?.path || "";

  // ---- texts of the levels -------------------------------------------------------------------------------------------------------
  const levels = new Map();

  /** Lines of a level with their paths. */
  async function level(i) {
    if (!levels.has(i)) {
      const [text, numbers] = [await Report.text(`level_${i}`), await Report.array(`path_${i}`)];
      const { paths, folds } = Report.data.levels[i];
      levels.set(i, { lines: text.split("\n").map((line, n) => ({ text: line, path: paths[numbers[n]], number: n })), folds });
    }
    return levels.get(i);
  }

  const inside = (path, of) => path === of || path.startsWith(`${of}.`);

  /** What is to be seen of a level: all, or the lines of a module, then the routines they call. */
  function selected({ lines, folds }, of, wanted = (path) => inside(path, of)) {
    if (!of) return { lines, folds };
    const routines = new Set(folds.filter((f) => f[2].startsWith("@")));
    const inRoutine = (n) => { for (const f of routines) if (f[0] <= n && n <= f[1]) return true; return false; };
    const own = lines.filter((line) => wanted(line.path) && !inRoutine(line.number));
    const called = new Set(own.flatMap((line) => [...line.text.matchAll(/\bcall @(\w+)|callee = @(\w+)/g)].map((m) => `@${m[1] || m[2]}`)));
    const bodies = folds.filter((f) => called.has(f[2])).flatMap((f) => lines.slice(f[0], f[1] + 1));
    return { lines: [...own, ...bodies], folds: [] };
  }

  // ---- showing -------------------------------------------------------------------------------------------------------------------
  const extensions = () => [V.lineNumbers(), V.codeFolding({ placeholderText: "...", placeholderDOM: foldPlaceholder, preparePlaceholder: foldName }), V.foldGutter(), foldLevels,
    V.search({ top: true }), V.drawSelection(), V.highlightActiveLine(),
    V.keymap.of([...V.searchKeymap, ...V.foldKeymap, ...V.defaultKeymap]), V.EditorState.readOnly.of(true), language, V.syntaxHighlighting(colours), marks,
    V.EditorView.contentAttributes.of({ "aria-label": "IR" }),
    V.EditorView.updateListener.of((update) => { if (update.selectionSet) mark(update.view, update.state.selection.main.head); })];

  let folds = [];
  const foldAt = (state, from) => folds.find((f) => f[0] === state.doc.lineAt(from).number - 1);
  const foldLevels = V.foldService.of((state, from) => {
    const f = foldAt(state, from);
    return f && f[1] < state.doc.lines ? { from: state.doc.line(f[0] + 1).to, to: state.doc.line(f[1] + 1).to } : null;
  });
  function foldName(state, range) {
    const f = foldAt(state, range.from);
    if (!f) return "...";
    return `${f[2]}: ${f[1] - f[0]} more lines${f[3] >= 0 ? `, as ${folds[f[3]][2]} but for names and numbers` : ""}`;
  }
  function foldPlaceholder(_view, onclick, prepared) {
    return element("span", { class: "cm-foldPlaceholder", title: "unfold", click: onclick }, prepared);
  }

  function clear() {
    if (editor) editor.destroy();
    if (merge) merge.destroy();
    editor = merge = null;
    $("#editor").replaceChildren();
  }

  async function draw() {
    for (const name of ["ir", "diff", "follow"]) $(`#view-${name}`).setAttribute("aria-pressed", view === name);
    $("#editor").hidden = view === "follow";
    $("#follow").hidden = view !== "follow";
    $("#value-side").hidden = view !== "ir";
    listPasses();
    if (view === "follow") return follow();
    const now = selected(await level(pass), module);
    clear();
    shownLines = now.lines;
    folds = now.folds;
    const text = now.lines.map((line) => line.text).join("\n");
    if (view === "ir" || pass === 0) {
      editor = new V.EditorView({ parent: $("#editor"), state: V.EditorState.create({ doc: text, extensions: extensions() }) });
      foldMany();
    } else {
      const before = selected(await level(pass - 1), module).lines.map((line) => line.text).join("\n");
      const plain = [...extensions().filter((e) => e !== foldLevels), V.EditorView.lineWrapping];
      merge = new V.MergeView({ parent: $("#editor"), a: { doc: before, extensions: plain }, b: { doc: text, extensions: plain }, gutter: true,
        collapseUnchanged: { margin: 3, minSize: 6 }, diffConfig: { scanLimit: 2000, timeout: 2000 } });
      editor = null;
    }
    $("#shown").textContent = now.lines.length ? `${number(now.lines.length)} lines` : `nothing of ${module} here`;
    return undefined;
  }

  /** Routines, and layers that are like an earlier one, begin folded where there is much to see. */
  function foldMany() {
    const { state } = editor;
    if (state.doc.lines < 400) return;
    const effects = folds.filter((f) => (f[2].startsWith("@") || f[3] >= 0) && f[1] < state.doc.lines && f[1] > f[0])
      .map((f) => V.foldEffect.of({ from: state.doc.line(f[0] + 1).to, to: state.doc.line(f[1] + 1).to }));
    editor.dispatch({ effects });
  }

  // ---- the list of passes ----------------------------------------------------------------------------------------------------------
  function changes(i) {
    if (i === 0) return [];
    const [before, after] = [Report.data.levels[i - 1].ops, Report.data.levels[i].ops];
    return [...new Set([...Object.keys(before), ...Object.keys(after)])].map((name) => [name, (after[name] || 0) - (before[name] || 0)])
      .filter(([, n]) => n).sort((a, b) => Math.abs(b[1]) - Math.abs(a[1]));
  }

  function listPasses() {
    $("#pass-list tbody").replaceChildren(...Report.data.levels.map((l, i) => {
      const difference = i ? l.total - Report.data.levels[i - 1].total : 0;
      return element("tr", { "aria-current": i === pass },
        element("td", {}, link(l.name, () => { pass = i; draw(); })), element("td", {}, l.seconds === null ? "" : (1e3 * l.seconds).toFixed(1)),
        element("td", {}, number(l.total)), element("td", { class: difference > 0 ? "more" : "less" }, difference ? `${difference > 0 ? "+" : ""}${number(difference)}` : ""));
    }));
    $("#op-changes").replaceChildren(...changes(pass).map(([name, n]) => element("li", { class: n > 0 ? "more" : "less" }, `${n > 0 ? "+" : ""}${n} ${name}`)));
  }

  /** Says which passes brought an op in, and which took it out. */
  function findOp() {
    const name = $("#op-name").value.trim();
    if (!name) { $("#op-found").replaceChildren(); return; }
    const counts = Report.data.levels.map((l) => l.ops[name] || 0);
    const steps = counts.map((n, i) => [i, n, i ? n - counts[i - 1] : n]).filter(([, , d]) => d);
    $("#op-found").replaceChildren(...(steps.length ? steps.map(([i, n, d]) => element("span", { class: "step" },
      link(`${Report.data.levels[i].name}`, () => { pass = i; draw(); }), ` ${d > 0 ? "+" : ""}${d} (then ${n}) `)) : [`no pass has ${name}`]));
  }

  // ---- following a module ------------------------------------------------------------------------------------------------------------
  function choose(path) {
    module = path;
    $("#module").value = path;
  }

  function setView(name) { view = name; return draw(); }

  /** Lines that only name a parameter: a module of which no more is left has been fused into another. */
  const PARAMETER = /"focus\.param"|kind = "param"/;

  /** The nearest path at or above one that some of these lines have. */
  function nearest(paths, path) {
    for (let p = path; p; p = p.slice(0, Math.max(0, p.lastIndexOf("."))))
      if (paths.some((q) => inside(q, p))) return p;
    return "";
  }

  async function follow() {
    const box = $("#follow");
    if (!module) { box.replaceChildren(element("p", { class: "hint" }, "Choose a module above.")); return; }
    const blocks = [];
    for (let i = 0; i < Report.data.levels.length; i++) {
      const all = await level(i);
      const at = nearest([...new Set(all.lines.filter((line) => !PARAMETER.test(line.text)).map((line) => line.path))], module);
      if (!at) continue;
      const { lines } = selected(all, at, (path) => (at === module ? inside(path, at) : path === at || inside(path, module)));
      const shown = lines.slice(0, 200).map((line) => line.text).join("\n") + (lines.length > 200 ? `\n... ${lines.length - 200} more` : "");
      blocks.push(element("details", { "data-level": Report.data.levels[i].name, ...(i < 1 || ["fuse", "map", "lower-to-fisa"].includes(Report.data.levels[i].name) ? { open: "" } : {}) },
        element("summary", {}, `${i} ${Report.data.levels[i].name}: ${lines.length} lines${at === module ? "" : `, as part of ${at}`}`),
        element("pre", {}, shown), link("open in the IR", () => { pass = i; choose(at); setView("ir"); })));
    }
    const program = await instructionsOf(module);
    if (program) blocks.push(program);
    box.replaceChildren(element("h2", {}, `${module}, from PyTorch's operator to bytes`), ...blocks);
    $("#shown").textContent = "";
  }

  /** The instructions of a module, with their bytes; null without a program. */
  async function instructionsOf(path) {
    if (!Report.data.modules) return null;
    const source = await Report.array("source"), words = new Uint8Array((await Report.array("words")).buffer);
    const at = nearest(Report.data.modules, path);
    const wanted = new Set(Report.data.modules.map((m, i) => [m, i]).filter(([m]) => at && (at === path ? inside(m, at) : m === at)).map(([, i]) => i));
    const assembly = (await Report.text("assembly")).split("\n");
    const found = [];
    for (let i = 0; i < source.length && i < assembly.length; i++) if (wanted.has(source[i])) found.push(i);
    if (!found.length) return null;
    const hex = (i) => Array.from(words.subarray(16 * i, 16 * i + 16), (b) => b.toString(16).padStart(2, "0")).join("");
    const first = found.find((i) => /^\s*mm/.test(assembly[i]));
    const report = Report.data.report?.modules?.[at];
    const rows = found.slice(0, 400).map((i) => `${String(i).padStart(7)}  ${hex(i)}  ${assembly[i]}`).join("\n");
    return element("details", { open: "", id: "program-of", "data-level": "program" },
      element("summary", {}, `program: ${number(found.length)} instructions${at === path ? "" : `, as part of ${at}`}`),
      element("p", {}, first === undefined ? "None of them is a pass of the array." : element("span", {}, "Tile 0 begins with instruction ",
        element("b", { id: "first-pass" }, String(first)), ": ", element("code", {}, assembly[first].trim()))),
      report ? element("p", {}, `${number(report.cycles)} cycles, ${number(report.macs)} multiply-accumulates, ${Report.bytes(report.dram_bytes)} of DRAM traffic`) : null,
      Report.parts.time.has(Report.data) ? link("show on the time line", () => Report.show("time").then(() => Report.parts.time.goTo(at))) : null,
      element("pre", {}, rows + (found.length > 400 ? `\n... ${number(found.length - 400)} more` : "")));
  }

  // ---- the part ------------------------------------------------------------------------------------------------------------------------
  async function begin() {
    const all = [...new Set(Report.data.levels.flatMap((l) => l.paths))].filter(Boolean);
    const above = new Set(all);
    for (const path of all) for (let p = path; p.includes("."); ) { p = p.slice(0, p.lastIndexOf(".")); above.add(p); }
    $("#module-paths").append(...[...above].sort().map((path) => element("option", { value: path })));
    $("#op-names").append(...[...new Set(Report.data.levels.flatMap((l) => Object.keys(l.ops)))].sort().map((name) => element("option", { value: name })));
    for (const name of ["ir", "diff", "follow"]) $(`#view-${name}`).addEventListener("click", () => setView(name));
    $("#module").addEventListener("change", (event) => { module = event.target.value.trim(); draw(); });
    $("#clear").addEventListener("click", () => { choose(""); draw(); });
    $("#op-name").addEventListener("change", findOp);
    $("#search").addEventListener("click", () => { const target = editor || merge?.b; if (target) { V.openSearchPanel(target); } });
    $("#unfold").addEventListener("click", () => { if (editor) V.unfoldAll(editor); });
    pass = Report.data.levels.length > 3 ? Report.data.levels.findIndex((l) => l.name === "fuse") : 0;
    if (pass < 0) pass = Report.data.levels.length - 1;
    await draw();
  }

  return { has: (data) => data.levels.length > 0, begin, follow: (path) => { choose(path); return Report.show("passes").then(() => setView("follow")); } };
})();
