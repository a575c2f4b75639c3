# RUN: %python %s | filecheck %s
"""Attention over caches: any number of rows held, leading rows, room, requests, new tokens, heads and head widths, at the first, the last and a
middle step, on arrays of any shape; against a plain statement in numpy, sanitized, and the same cycles without data."""
import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "Inputs"))
import numpy as np
from harness import lower
from hypothesis import given, strategies as st
from strategies import examples, head_widths, machines, seeds

from focus.compiler.backend.binary import build_binary
from focus.runtime import _sim
from focus.runtime.run.fxb import STORED
from focus.runtime.spec.machine import Machine

LIMIT = 2e-3


def program(requests: int, lead: int, held: int, room: int, new: int, heads: tuple[int, int], dim: int, cap: float) -> str:
    """A step of attention: the new rows are appended, then every request sees what it has."""
    bound = f", cap = {cap} : f64" if cap else ""
    (q, kv), rows, whole = heads, requests * new, requests * (lead + held + room)
    wide, narrow, cache = f"tensor<{rows}x{q * dim}xf16>", f"tensor<{rows}x{kv * dim}xf16>", f"tensor<{whole}x{kv * dim}xf16>"
    numbers = f"requests = {requests} : i64, lead = {lead} : i64, held = {held} : i64, room = {room} : i64"
    return f"""
func.func @main(%q: {wide} {{focus.name = "q"}}, %k: {narrow} {{focus.name = "k"}}, %v: {narrow} {{focus.name = "v"}}) -> {wide} {{
  %0 = "focus.cache"() {{name = "layers.0.keys", {numbers}}} : () -> {cache}
  %1 = "focus.cache"() {{name = "layers.0.values", {numbers}}} : () -> {cache}
  %2 = "focus.cache_append"(%0, %k) : ({cache}, {narrow}) -> {cache}
  %3 = "focus.cache_append"(%1, %v) : ({cache}, {narrow}) -> {cache}
  %4 = "focus.cached_attention"(%q, %2, %3) {{heads = {q} : i64, kv_heads = {kv} : i64, head_dim = {dim} : i64, scale = {dim ** -0.5!r} : f64{bound}}}
      : ({wide}, {cache}, {cache}) -> {wide}
  return %4 : {wide}
}}"""


def attended(q: np.ndarray, k: np.ndarray, v: np.ndarray, dim: int, cap: float) -> np.ndarray:
    """softmax(q k^T / sqrt(dim)), scores bounded where there is a cap, v of one request: q [new, heads * dim] the last rows of k and v [n, kv * dim]."""
    out, kv = np.empty_like(q), k.shape[1] // dim
    for head in range(q.shape[1] // dim):
        group = head * kv // (q.shape[1] // dim)
        mine, theirs = slice(head * dim, (head + 1) * dim), slice(group * dim, (group + 1) * dim)
        scores = q[:, mine] @ k[:, theirs].T * dim ** -0.5
        scores = cap * np.tanh(scores / cap) if cap else scores
        scores[np.arange(len(k)) > len(k) - len(q) + np.arange(len(q))[:, None]] = -np.inf
        weights = np.exp(scores - scores.max(1, keepdims=True))
        out[:, mine] = weights / weights.sum(1, keepdims=True) @ v[:, theirs]
    return out


groups = st.sampled_from([(1, 1), (2, 1), (3, 1), (7, 1), (4, 2)])


@examples(30)
@given(seeds, machines, st.integers(1, 3), st.integers(0, 5), st.integers(1, 150), st.integers(1, 40), st.integers(1, 9), head_widths, groups, st.sampled_from([0.0, 0.0, 0.75]))
def cached(seed, machine, requests, lead, held, more, new, dim, heads, cap):
    """The new rows see what is held, what earlier steps have appended, and each other up to themselves."""
    rng, room, target = np.random.default_rng(seed), new + more - 1, machine if isinstance(machine, Machine) else Machine.load(machine)
    binary = build_binary(lower(program(requests, lead, held, room, new, heads, dim, cap), target)[1], target, {}, steps=room - new + 1).validate()
    simulator = _sim.Simulator(binary.text, binary.source, binary.machine.to_json(), binary.sites_json(), lives_json=binary.lives_json())
    for entry in binary.param_table:
        simulator.write(entry.address, binary.param(entry).reshape(-1).view(np.uint8))
    caches = {c.name.rpartition(".")[2]: c for c in binary.memory_map.caches}
    for step in {0, (room - new) // 2, room - new}:
        seen, values = held + step, {}
        for name, cache in caches.items():
            values[name] = rng.standard_normal(cache.shape).astype(np.float16)
            simulator.forget(cache.address, cache.nbytes)
            for request, rows in enumerate(values[name].reshape(requests, cache.capacity, -1)):
                at = cache.address + (request * cache.capacity + lead) * cache.row_bytes
                simulator.write(at, np.ascontiguousarray(rows[lead:lead + seen]).reshape(-1).view(np.uint8))
        given_ = {p.name: rng.standard_normal(p.shape).astype(np.float16) for p in binary.inputs}
        for port in binary.inputs:
            simulator.write(port.address, given_[port.name].reshape(-1).view(np.uint8))
        functional, out = simulator.run(True, True, step=step), binary.outputs[0]
        got = simulator.read(out.address, out.nbytes).view(STORED[out.stored]).reshape(requests, new, -1).astype(np.float64)
        rows_of = lambda name, request: values[name].reshape(requests, -1, values[name].shape[1])[request, lead:lead + seen]
        split = lambda name: given_[name].reshape(requests, new, -1).astype(np.float64)
        want = np.stack([attended(split("q")[r], *(np.concatenate([rows_of(c, r), split(n)[r]]) for c, n in (("keys", "k"), ("values", "v"))), dim, cap)
                         for r in range(requests)])
        timing = [simulator.run(False, False, [], step=step, replay=replay)["cycles"] for replay in (False, True, True)]
        assert np.linalg.norm(got - want) <= LIMIT * np.linalg.norm(want), f"differs by {np.linalg.norm(got - want) / np.linalg.norm(want):.1e}"
        assert not functional["findings_total"], functional["findings"][:2]
        assert timing == [functional["cycles"]] * 3, (timing, functional["cycles"])


cached()
print("cached attention: exact")
# CHECK: cached attention: exact
