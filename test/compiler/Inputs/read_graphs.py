"""Reads what focus-explore wrote into a folder, and says whether it holds together."""
import json
import sys
from pathlib import Path

folder = Path(sys.argv[1])
read = lambda name: json.loads((folder / name).read_text())
graphs = {g["id"]: {n["id"]: n for n in g["nodes"]} for g in read("g.json")["graphs"]}
print(*(name for name in graphs if "/" not in name))
print("edges", all(e["sourceNodeId"] in nodes for nodes in graphs.values() for n in nodes.values() for e in n.get("incomingEdges", [])),
      "subgraphs", all(name in graphs for nodes in graphs.values() for n in nodes.values() for name in n.get("subgraphIds", []))
      and sum("subgraphIds" in n for n in graphs["13-allocate"].values()) > 20)
fused = graphs["03-fuse"]
down = next(n for n in fused.values() if n["label"] == "focus.linear" and n["namespace"].endswith("language_model/layers/1/mlp/down_proj"))
module = lambda node: next(a["value"] for a in node["attrs"] if a["key"] == "module")
print(down["label"], down["namespace"], [module(fused[e["sourceNodeId"]]) for e in down["incomingEdges"]])
report = read("r.json")
sums = [sum(v["value"] for v in read("g.macs.json")[level]["results"].values()) for level in ("00-input", "03-fuse", "13-allocate")]
print("sums", *(total == report["macs"] for total in sums))
