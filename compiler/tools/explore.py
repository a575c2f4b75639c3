"""focus-explore: the IR after each pass as graphs for Model Explorer.

In: a folder that `--dump-ir` wrote, and on request the report of a run and the result of a comparison with PyTorch.  Out: a JSON file with a graph
for each pass (nodes by module path, a routine as a graph that its calls lead to), and node data, one file for each measure, that colour its nodes.

The form is that of Model Explorer's graph collections and node data (https://github.com/google-ai-edge/model-explorer); the package is not needed to
write it.  Starts without importing torch.
"""
from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.files import atomic_write, check_outputs
from focus.runtime.tools.cli import parsed, tool

LONGEST = 200           #: characters of an attribute's text
#: colours of node data, from the least to the most
GRADIENT = [{"stop": 0.0, "bgColor": "#f2f7fd"}, {"stop": 0.5, "bgColor": "#f6c667"}, {"stop": 1.0, "bgColor": "#d7301f"}]
_PARAMETERS = ("focus.param", "torch.constant", "arith.constant")

_EXAMPLES = """
examples:
  focusc llava-onevision-tiny -o tiny.fxb --save-inputs in.safetensors --dump-ir ir
  focus-sim tiny.fxb --inputs in.safetensors --report r.json
  focus-sim tiny.fxb --inputs in.safetensors --check llava-onevision-tiny --json > check.json
  focus-explore ir -o tiny.json --report r.json --check check.json      then: model-explorer tiny.json, and load tiny.cycles.json, ... as node data
"""


@tool
def main(argv: list[str] | None = None) -> None:
    parser = argparse.ArgumentParser(prog="focus-explore", description="Write the IR after each pass as graphs for Model Explorer.", epilog=_EXAMPLES,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ir", type=Path, help="a folder that --dump-ir wrote")
    parser.add_argument("-o", "--output", type=Path, required=True, metavar="FILE", help="the graphs, a .json file")
    parser.add_argument("--report", type=Path, metavar="FILE", help="a report of focus-sim: cycles, DRAM bytes, ... of modules as node data")
    parser.add_argument("--check", type=Path, metavar="FILE", help="what focus-sim --check --json printed: differences to PyTorch as node data")
    args = parsed(parser, argv)
    if args.output.suffix != ".json":
        raise FocusError(f"{args.output}: a .json file expected")
    files = sorted(args.ir.glob("[0-9][0-9]-*.mlir"))
    if not files:
        raise FocusError(f"{args.ir}: has no files of --dump-ir (00-input.mlir, ...)")
    measures = (_of_report(args.report) if args.report else {}) | (_of_check(args.check) if args.check else {})
    outputs = {name: args.output.with_suffix(f".{name}.json") for name in measures}
    check_outputs(args.output, *outputs.values())
    graphs = [graph for file in files for graph in graphs_of(file)]
    _save(args.output, {"label": args.ir.resolve().name, "graphs": [graph.as_dict() for graph in graphs]})
    for name, path in outputs.items():
        _save(path, {graph.id: graph.coloured(measures[name]) for graph in graphs if not graph.routine})
    print(f"{args.output}: {len(graphs)} graphs, {sum(len(g.nodes) for g in graphs):,} nodes"
          + (f"; node data: {', '.join(map(str, outputs.values()))}" if outputs else ""))


# ---- graphs --------------------------------------------------------------------------------------------------------------------
@dataclass
class Graph:
    """A graph of a level: of @main, or of a routine.  `measured`: the node that stands for each module path when measures are shown."""
    id: str
    routine: bool = False
    nodes: list[dict[str, Any]] = field(default_factory=list)
    measured: dict[str, str] = field(default_factory=dict)

    def as_dict(self) -> dict[str, Any]:
        return {"id": self.id, "nodes": self.nodes}

    def coloured(self, values: Mapping[str, float]) -> dict[str, Any]:
        """Node data: a module's value at one of its nodes, so that sums over a group are those of its modules."""
        results = {self.measured[path]: {"value": value} for path, value in values.items() if path in self.measured}
        return {"results": results, "gradient": GRADIENT}


def graphs_of(file: Path) -> Iterator[Graph]:
    """The graphs of an IR file: @main first.  Raises FocusError."""
    from focus.dialects.context import make_context, parse_file
    from focus.dialects.support import ir
    with make_context(), ir.Location.unknown():
        module = parse_file(file)
        functions = {}
        for op in module.body.operations:
            if "sym_name" in op.operation.attributes:
                functions[ir.StringAttr(op.operation.attributes["sym_name"]).value] = op.operation
        for name in sorted(functions, key=lambda n: n != "main"):
            yield _graph(functions[name], file.stem if name == "main" else f"{file.stem}/@{name}", file.stem, set(functions))


def _graph(function: Any, name: str, level: str, functions: set[str]) -> Graph:
    """Nodes of all ops of a function; regions of loops and kernels of a routine are namespaces."""
    from focus.dialects.support import ir, path_of
    graph = Graph(name, routine=name != level)
    made: dict[Any, tuple[str, int]] = {}               # value -> (node, number among its results)
    graph.nodes.append({"id": "arguments", "label": "arguments", "namespace": ""})
    for block in (b for region in function.regions for b in region.blocks):
        made |= {argument: ("arguments", i) for i, argument in enumerate(block.arguments)}

    def visit(op: Any, inside: str) -> None:
        number = str(len(graph.nodes))
        path = path_of(op)
        edges = [{"sourceNodeId": made[v][0], "sourceNodeOutputId": str(made[v][1]), "targetNodeInputId": str(i)}
                 for i, v in enumerate(op.operands) if v in made]
        node = {"id": number, "label": op.name, "namespace": inside if graph.routine else path.replace(".", "/"), "incomingEdges": edges,
                "attrs": [{"key": key, "value": _short(str(op.attributes[key]))} for key in op.attributes] + [{"key": "module", "value": path}],
                "outputsMetadata": [{"id": str(i), "attrs": [{"key": "type", "value": _short(str(v.type))}]} for i, v in enumerate(op.results)]}
        if op.name in ("func.call", "fisa.call"):
            callee = ir.FlatSymbolRefAttr(op.attributes["callee"]).value
            if callee in functions:
                node["subgraphIds"] = [f"{level}/@{callee}"]
        graph.nodes.append(node)
        made.update({v: (number, i) for i, v in enumerate(op.results)})
        if path and op.name not in _PARAMETERS:
            graph.measured[path] = number               # the last one gives the module's result
        for count, region in enumerate(op.regions):
            for block in region.blocks:
                made.update({argument: (number, i) for i, argument in enumerate(block.arguments)})
                for inner in block.operations:
                    visit(inner.operation, f"{inside}/{op.name} {number}".lstrip("/") + (f" {count}" if count else ""))

    for region in function.regions:
        for block in region.blocks:
            for op in block.operations:
                visit(op.operation, "")
    return graph


def _short(text: str) -> str:
    return text if len(text) <= LONGEST else text[:LONGEST] + "..."


# ---- measures ------------------------------------------------------------------------------------------------------------------
def _read(path: Path, key: str) -> Any:
    """What a JSON file has under a key.  Raises FocusError."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))[key]
    except OSError as e:
        raise FocusError(f"{path}: cannot read: {e.strerror or e}") from None
    except (ValueError, KeyError, TypeError):
        raise FocusError(f"{path}: no JSON object with '{key}'") from None


def _of_report(path: Path) -> dict[str, dict[str, float]]:
    """Measures of modules by name: those of a report that are not zero everywhere."""
    modules = _read(path, "modules")
    names = dict.fromkeys(key for module in modules.values() for key in module)
    found = {name: {p: m[name] for p, m in modules.items() if m.get(name)} for name in names}
    return {name: values for name, values in found.items() if values}


def _of_check(path: Path) -> dict[str, dict[str, float]]:
    return {"error": {v["module"]: v["error"] for v in _read(path, "values")}}


def _save(path: Path, value: Any) -> None:
    with atomic_write(path) as temporary:
        temporary.write_text(json.dumps(value, separators=(",", ":")) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
