"""The report of a run.

In: the simulator's raw counters and the binary.  Out: `build`, a dictionary of plain numbers and strings (JSON); `show`, tables for people.

Keys:
    model, machine, array_rule      names; the rule of machine.array
    mode                            "functional" or "timing"
    cycles, seconds, instructions   of the whole run; opcodes: instructions by mnemonic
    macs, passes, utilization       multiply-accumulates and passes of the array; the share of multiply-accumulates possible in the time
    dram_bytes, dram                all traffic; read, write, and streams with both
    sram_bytes                      by memory: read, write
    energy_j, energy                joules; rule and components
    area_mm2                        total and components
    units                           by unit, in cycles: busy, stall, stalls (by reason), idle; instructions
    modules                         by path: cycles of the critical path, instructions, macs, dram_bytes, overflows, nonfinite, energy_j, and
                                    busy_<unit>: cycles each unit worked for it; array_waits_<reason>: cycles the array waited for its operands
    bounds                          by path: by (what bounds the module at least: array, dram, scatter, sic, sec or sfu), cycles (that it takes),
                                    share (of the module's own cycles), waits (what the array waited for, by reason)
    tokens                          visual, text, kept (visual tokens left after each selected layer)
    sites                           by layer/site: vectors, unique, ratio
    overflows, nonfinite            results that became infinite; NaN and infinite values read from DRAM
    inputs                          by name: nonfinite, overflows on the way in
    sanitizer                       total and findings, after a sanitized run
    generation                      what tokens after the request took (focus.runtime.run.session.summary), where they were asked for
"""
from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from focus.runtime.run.energy import Usage, area_mm2, energy

if TYPE_CHECKING:
    from rich.console import Console

    from focus.runtime.run.fxb import Binary

_PATH_WIDTH = 36         # of module paths in tables; longer ones lose their beginning, which is what they have in common
_WAITS = "array_waits_"
_LANES = ("exp", "multiply", "add", "sqrt", "reciprocal")


# ---- numbers ---------------------------------------------------------------------------------------------------------
def build(binary: Binary, raw: Mapping[str, Any], mode: str, counts: Sequence[np.ndarray],
          inputs: Mapping[str, Mapping[str, int]] | None = None) -> dict[str, Any]:
    """The report of one run from the simulator's counters; `counts` are the unique vectors of each site's (tile, slice)."""
    machine, cycles, macs = binary.machine, int(raw["cycles"]), int(raw["macs"])
    modules = _modules(binary, raw["modules"])
    total = lambda key: sum(m[key] for m in modules.values())
    streams = {name: {k: int(v) for k, v in t.items()} for name, t in raw["dram"].items()}
    read, write = (sum(t[k] for t in streams.values()) for k in ("read", "write"))
    sram = {name: {k: int(v) for k, v in t.items()} for name, t in raw["sram"].items()}
    usage = Usage(cycles, read + write, {name: u["busy"] for name, u in raw["units"].items()}, {k: raw["activity"][k] for k in _LANES},
                  {name: (t["read"], t["write"]) for name, t in sram.items()})
    joules, area = energy(machine, usage), area_mm2(machine)
    for path, part in _usages(binary, raw).items():
        modules[path]["energy_j"] = sum(energy(machine, part, usage).values())
    out = {
        "model": binary.model, "machine": machine.name, "array_rule": machine.array.rule, "mode": mode,
        "cycles": cycles, "seconds": cycles / machine.frequency_hz, "instructions": int(raw["instructions"]),
        "opcodes": {name: int(n) for name, n in raw["opcodes"].items()},
        "macs": macs, "passes": int(raw["passes"]), "utilization": macs / (cycles * machine.array.rows * machine.array.cols) if cycles else 0.0,
        "dram_bytes": read + write, "dram": {"read": read, "write": write, "streams": streams}, "sram_bytes": sram,
        "energy_j": sum(joules.values()), "energy": {"rule": machine.energy.rule, "components": joules},
        "area_mm2": {"total": sum(area.values()), "components": area},
        "units": {name: _unit(u) for name, u in raw["units"].items()}, "modules": modules,
        "bounds": {path: bound_of(m, machine.bytes_per_cycle) for path, m in modules.items()},
        "tokens": _tokens(binary), "sites": _sites(binary, counts),
        "overflows": total("overflows"), "nonfinite": total("nonfinite"), "inputs": {name: dict(n) for name, n in (inputs or {}).items()},
    }
    if "findings" in raw:
        out["sanitizer"] = {"total": int(raw["findings_total"]), "findings": [describe(f, binary) for f in raw["findings"]]}
    return out


def _unit(raw: Mapping[str, Any]) -> dict[str, Any]:
    stalls = {reason: float(n) for reason, n in raw["stall"].items()}
    return {"busy": float(raw["busy"]), "stall": sum(stalls.values()), "stalls": stalls, "idle": float(raw["idle"]),
            "instructions": int(raw["instructions"])}


def _usages(binary: Binary, raw: Mapping[str, Any]) -> dict[str, Usage]:
    """What each module that has instructions did; their sum is what the run did."""
    uses, ticks = raw["module_uses"], raw["ticks_per_cycle"]
    out: dict[str, Usage] = {}
    for i, path in enumerate(binary.modules[:len(raw["modules"]["instructions"])]):
        if not raw["modules"]["instructions"][i]:
            continue
        before = out.get(path, Usage(0, 0))
        out[path] = Usage(before.cycles + int(raw["modules"]["cycles"][i]), before.dram_bytes + int(raw["modules"]["dram_bytes"][i]),
                          {name: before.busy.get(name, 0) + uses[f"busy_{name}"][i] / ticks for name in raw["units"]},
                          {name: before.lanes.get(name, 0) + int(uses[name][i]) for name in _LANES},
                          {name: (read + int(uses[f"read_{name}"][i]), written + int(uses[f"write_{name}"][i]))
                           for name in raw["sram"] for read, written in (before.sram.get(name, (0, 0)),)})
    return out


def _modules(binary: Binary, raw: Mapping[str, np.ndarray]) -> dict[str, dict[str, Any]]:
    """Counters by module path, of the modules that have instructions."""
    out: dict[str, dict[str, Any]] = {}
    for i, path in enumerate(binary.modules[:len(raw["instructions"])]):
        if raw["instructions"][i]:
            entry = out.setdefault(path, dict.fromkeys(raw, 0))
            for key, column in raw.items():
                entry[key] += int(column[i])
    return out


def bound_of(module: Mapping[str, int], bytes_per_cycle: float) -> dict[str, Any]:
    """The roofline of a module: the unit, or DRAM, whose work alone takes longest, and what the array waited for."""
    work = {unit: float(module[f"busy_{unit}"]) for unit in ("array", "scatter", "sic", "sec", "sfu")}
    work["dram"] = module["dram_bytes"] / bytes_per_cycle
    by = max(work, key=lambda unit: work[unit])
    waits = {key.removeprefix(_WAITS): n for key, n in module.items() if key.startswith(_WAITS) and n}
    return {"by": by, "cycles": work[by], "share": work[by] / module["cycles"] if module["cycles"] else 1.0, "waits": waits}


def _tokens(binary: Binary) -> dict[str, Any]:
    """Visual and text tokens of the request, and visual tokens left after each selected layer."""
    if binary.tokens is None:
        return {"visual": 0, "text": 0, "kept": {}}
    kept, left = {}, binary.tokens.V
    for layer in binary.concentration.layers:
        kept[str(layer)] = left = binary.concentration.keep(layer, binary.tokens.V, left)
    return {"visual": binary.tokens.V, "text": binary.tokens.T, "kept": kept}


def _sites(binary: Binary, counts: Sequence[np.ndarray]) -> dict[str, dict[str, float]]:
    out = {}
    for site, count in zip(binary.sites, counts, strict=True):
        vectors, unique = site.visual * site.slices, int(np.sum(count))
        out[site.name] = {"vectors": vectors, "unique": unique, "ratio": unique / vectors if vectors else 1.0}
    return out


def describe(finding: Mapping[str, Any], binary: Binary) -> str:
    """One finding of the sanitizer as one line."""
    def instruction(prefix: str = "") -> str:
        module = binary.modules[finding[prefix + "module"]]
        return f"instruction {finding[prefix + 'instruction']} ({finding[prefix + 'opcode']}, module '{module}')"

    where = f"{finding['space']} bytes 0x{finding['begin']:x}..0x{finding['end']:x}"
    text = f"{instruction()}, operand '{finding['operand']}': "
    if finding["kind"] == "uninitialised":
        return text + f"reads {where}, which nothing has written"
    if finding["kind"] == "stale":
        return text + f"reads {where}, which {instruction('other_')} has left behind: what it wrote was for kernels that have ended"
    return text + (f"{finding['access']} of {where} is not ordered after the {finding['other_access']} by {instruction('other_')}: "
                   f"no semaphore leads from one to the other")


# ---- tables ----------------------------------------------------------------------------------------------------------
def show(report: Mapping[str, Any], console: Console | None = None, modules: int = 12) -> None:
    """Print a report as tables, with the `modules` that take the most cycles."""
    from rich.console import Console

    console = console or Console()
    title = f"{report['model'] or 'program'} on {report['machine']} ({report['array_rule']} array rule, {report['mode']} run)"
    console.print(title, style="bold", highlight=False, markup=False, soft_wrap=True)
    for table in (_generation_table(report), _summary_table(report), _unit_table(report), _traffic_table(report), _energy_table(report),
                  _site_table(report), _module_table(report, modules)):
        if table.row_count:
            console.print(table)
            console.print()
    for line in _remarks(report):
        console.print(line, highlight=False, markup=False)


def print_table(table, width: int = 160) -> None:
    """Print one table; where there is no terminal, as wide as `width` characters."""
    from rich.console import Console

    console = Console()
    (console if console.is_terminal else Console(width=width)).print(table)


def empty_table(first: str, *columns: str):
    """An empty table; the header of its first column is its title."""
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    table = Table(box=SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for i, column in enumerate((first, *columns)):
        table.add_column(column, justify="right" if i else "left", overflow="fold")
    return table


def _summary_table(r: Mapping[str, Any]):
    table = empty_table("Total", "")
    for name, value in (("cycles", f"{r['cycles']:,}"), ("time", scaled(r["seconds"], "s")), ("instructions", f"{r['instructions']:,}"),
                        ("multiply-accumulates", f"{r['macs']:,}"), ("array utilization", f"{r['utilization']:.1%}"),
                        ("DRAM traffic", sized(r["dram_bytes"])), (f"energy ({r['energy']['rule']} rule)", scaled(r["energy_j"], "J")),
                        ("area", f"{r['area_mm2']['total']:.3f} mm2")):
        table.add_row(name, value)
    if r["tokens"]["kept"]:
        kept = "".join(f", {k} after layer {layer}" for layer, k in r["tokens"]["kept"].items())
        table.add_row("visual tokens", f"{r['tokens']['visual']}{kept}")
    return table


def _generation_table(r: Mapping[str, Any]):
    """What tokens after the request took; the other tables are of its prefill."""
    table = empty_table("Generation", "")
    g = r.get("generation")
    if g is None:
        return table
    bound = g["bound"]
    for name, value in (("requests", f"{g['requests']}"), ("tokens before, and new", f"{g['prompt_tokens']:,}, {g['new_tokens']:,}"),
                        ("time to first token", scaled(g["time_to_first_token_s"], "s")),
                        ("time per token", scaled(g["token_s"], "s")),
                        ("tokens per second", f"{g['tokens_per_s']:,.1f}"), ("energy per token", scaled(g["token_j"], "J")),
                        ("caches after a prefill", sized(g["cache_bytes"])),
                        ("traffic of the host", sized(g["host_bytes"])),
                        ("utilization", f"{g['utilization']['prefill']:.1%} in the prefill, {g['utilization']['decode']:.1%} in decode"),
                        ("bound of decode", f"{_BOUNDS[bound['by']]}, {bound['share']:.1%} of the cycles"),
                        ("all of it", f"{scaled(g['total_s'], 's')}, {scaled(g['total_j'], 'J')}")):
        table.add_row(name, value)
    return table


_BOUNDS = {"array": "weight tiles", "dram": "DRAM"}


def _unit_table(r: Mapping[str, Any]):
    """Shares of all cycles: busy, waiting by reason, idle."""
    reasons = [k for k in next(iter(r["units"].values()))["stalls"] if any(u["stalls"][k] for u in r["units"].values())]
    table = empty_table("Units", "count", "busy", *reasons, "idle")
    share = lambda n: f"{n / max(r['cycles'], 1):.1%}"
    for name, u in r["units"].items():
        if u["instructions"]:
            table.add_row(name, f"{u['instructions']:,}", share(u["busy"]), *(share(u["stalls"][k]) for k in reasons), share(u["idle"]))
    return table


def _traffic_table(r: Mapping[str, Any]):
    table = empty_table("DRAM traffic", "read", "written", "share")
    for name, t in r["dram"]["streams"].items():
        if t["read"] + t["write"]:
            table.add_row(name, sized(t["read"]), sized(t["write"]), f"{(t['read'] + t['write']) / r['dram_bytes']:.1%}")
    return table


def _energy_table(r: Mapping[str, Any]):
    table = empty_table(f"Energy ({r['energy']['rule']} rule)", "joules", "share")
    for name, joules in sorted(r["energy"]["components"].items(), key=lambda item: -item[1]):
        if joules >= 0.005 * r["energy_j"] > 0:
            table.add_row(name, scaled(joules, "J"), f"{joules / r['energy_j']:.1%}")
    return table


def _site_table(r: Mapping[str, Any]):
    """Unique vectors by site, one row per layer."""
    kinds = list(dict.fromkeys(name.split("/")[1] for name in r["sites"]))
    table = empty_table("Unique vectors of layer", *kinds)
    for layer in dict.fromkeys(name.split("/")[0] for name in r["sites"]):
        cells = (r["sites"].get(f"{layer}/{kind}") for kind in kinds)
        table.add_row(layer, *(f"{c['ratio']:.1%}" if c else "" for c in cells))
    return table


def _module_table(r: Mapping[str, Any], limit: int):
    chosen = sorted(r["modules"].items(), key=lambda item: -item[1]["cycles"])[:limit]
    table = empty_table(f"Modules ({len(chosen)} of {len(r['modules'])})", "cycles", "share", "MACs", "DRAM", "energy")
    for path, m in chosen:
        shown = path if len(path) <= _PATH_WIDTH else "..." + path[3 - _PATH_WIDTH:]
        table.add_row(shown, f"{m['cycles']:,}", f"{m['cycles'] / max(r['cycles'], 1):.1%}", f"{m['macs']:,}", sized(m["dram_bytes"]),
                      scaled(m["energy_j"], "J"))
    return table


def _remarks(r: Mapping[str, Any]) -> list[str]:
    """Numbers that were not finite, and what the sanitizer found."""
    out = []
    for name, n in r["inputs"].items():
        for key, text in (("nonfinite", "NaN or infinite"), ("overflows", "beyond fp16, now infinite")):
            if n[key]:
                out.append(f"input {name}: values {text}: {n[key]:,}")
    for key, text in (("overflows", "results beyond the range of fp16, now infinite"),
                      ("nonfinite", "NaN or infinite values read from DRAM")):
        if r[key]:
            where = max(r["modules"], key=lambda path: r["modules"][path][key])
            out.append(f"{text}: {r[key]:,}; most in {where or 'the unnamed module'} ({r['modules'][where][key]:,})")
    if "sanitizer" in r:
        out.append(f"sanitizer findings: {r['sanitizer']['total']}")
    return out


def scaled(value: float, unit: str) -> str:
    """A quantity with the prefix that leaves it between 1 and 1000."""
    prefixes = ((1, ""), (1e-3, "m"), (1e-6, "u"), (1e-9, "n"))
    factor, prefix = next((p for p in prefixes if abs(value) >= p[0]), prefixes[-1])
    return f"{value / factor:,.3f} {prefix}{unit}"


def sized(n: float) -> str:
    for factor, unit in ((1 << 30, "GiB"), (1 << 20, "MiB"), (1 << 10, "KiB")):
        if n >= factor:
            return f"{n / factor:,.2f} {unit}"
    return f"{n:,.0f} B"
