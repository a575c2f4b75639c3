"""The published video rows and the closed formulas of the published results: a dense array, AdapTiV, CMC, SEC only and Focus.

In: a row of `ROWS` (model, dataset, visual tokens, measured sparsities) and, for Focus, unique vectors per site.  Out: `Estimate`: cycles,
array-bound cycles, DRAM bytes and joules of a prefill of the visual tokens by a Qwen2-7B backbone.

Sources: Wei et al., "Focus: A Streaming Concentration Architecture for Efficient Vision-Language Models", HPCA 2026 (arXiv 2512.14661),
and the authors' published simulator tables, re-derived and checked; AdapTiV and CMC as modelled there.  What these formulas leave out is
listed in docs/full-scale.md.
"""
from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

from focus.runtime.run.energy import power_mw
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.errors import FocusError
from focus.runtime.spec.machine import Machine

FREQUENCY = 500e6               #: Hz, of every design
DRAM_PJ = 99.98                 #: per byte
ARRAY, N_TILE, M_TILE = 32, 96, 1024
SEC_M_TILE = 512                #: m-tile of the published SEC-only figures

#: logic and buffer power in mW of the two baselines with an architecture of their own
_ADAPTIV_MW = 855.465 + 320.138
_CMC_MW = 561.669 + 270.357


# ---- workloads ---------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class DecoderSizes:
    """Sizes of a decoder whose layers are q, k, v, o projections, attention, and a gated MLP."""
    layers: int = 28
    hidden: int = 3584
    heads: int = 28
    kv_heads: int = 4
    head_dim: int = 128
    intermediate: int = 18944

    @property
    def kv_width(self) -> int:
        return self.kv_heads * self.head_dim

    @property
    def query_width(self) -> int:
        return self.heads * self.head_dim


QWEN2_7B = DecoderSizes()

LLAVA_VIDEO = ((3, 6, 9, 18, 26), (0.4, 0.3, 0.2, 0.15, 0.1))
DEFAULT = ((2, 5, 8, 16, 25), (0.4, 0.3, 0.2, 0.15, 0.1))
ONEVISION_MVBENCH = ((2, 5, 8, 16, 25), (0.4, 0.3, 0.25, 0.2, 0.1))


@dataclass(frozen=True)
class Row:
    """One published video workload: `grid` is frames, height, width of the cells, `row_gap` tokens that stand after each row of cells
    (LLaVA-Video's newlines); the sparsities are shares of work AdapTiV and CMC (linear layers, query, score) skip; `ratio` is the fitted
    number of retained tokens per unique vector."""
    model: str
    dataset: str
    grid: tuple[int, int, int]
    row_gap: int
    schedule: tuple[tuple[int, ...], tuple[float, ...]]
    threshold: float
    adaptiv: float
    cmc: tuple[float, float, float]
    ratio: float

    @property
    def name(self) -> str:
        return f"{self.model}/{self.dataset}"

    @property
    def frames(self) -> int:
        return self.grid[0]

    @property
    def visual(self) -> int:
        frames, height, width = self.grid
        return frames * height * (width + self.row_gap)

    def concentration(self, sec: bool = True, sic: bool = True, m_tile: int | Literal["auto"] = "auto") -> Concentration:
        """The schedule and threshold published for this workload."""
        layers, alphas = self.schedule if sec else ((), ())
        return Concentration(layers=layers, alphas=alphas, threshold=self.threshold, similarity=sic, m_tile=m_tile)


# A frame of LLaVA-Video is 13 x 13 cells with a newline after each row; one of LLaVA-OneVision 14 x 14 cells.  MiniCPM-V's resampler
# leaves no grid: a frame is a line of 199 (or 67) tokens, whose neighbours are the token before and the same token a frame earlier.
ROWS: tuple[Row, ...] = (
    Row("llava_vid", "videomme", (64, 13, 13), 1, LLAVA_VIDEO, 0.9, .5215487637, (.5787517041, .6745603175, .5807665283), 1.709),
    Row("llava_vid", "mlvu", (64, 13, 13), 1, LLAVA_VIDEO, 0.9, .3251717033, (.3981713593, .6039283591, .5399106821), 1.326),
    Row("llava_vid", "mvbench", (13, 13, 13), 1, LLAVA_VIDEO, 0.9, .4107377839, (.5335268287, .6373441694, .2293205800), 1.379),
    Row("llava_onevision", "videomme", (32, 14, 14), 0, DEFAULT, 0.9, .3680325255, (.4900350779, .4185412441, .3212133919), 1.400),
    Row("llava_onevision", "mlvu", (32, 14, 14), 0, DEFAULT, 0.9, .3954559949, (.3568239808, .3621601960, .3043646151), 1.190),
    Row("llava_onevision", "mvbench", (32, 14, 14), 0, ONEVISION_MVBENCH, 0.9, .4202973533, (.6537499984, .5252877849, .4000940868), 2.016),
    Row("minicpm_v", "videomme", (64, 1, 199), 0, DEFAULT, 0.95, .4927449749, (.5600345433, .6538252488, .6118955817), 1.483),
    Row("minicpm_v", "mlvu", (64, 1, 199), 0, DEFAULT, 0.95, .4188442211, (.3137484312, .5372650977, .5615288323), 1.136),
    Row("minicpm_v", "mvbench", (6, 1, 67), 0, DEFAULT, 0.9, .5008537445, (.4026778021, .6233568767, .1915599767), 1.096),
)


def row(name: str) -> Row:
    """The workload `model/dataset`.  Raises FocusError."""
    for r in ROWS:
        if r.name == name:
            return r
    raise FocusError(f"unknown row '{name}'; expected one of {', '.join(r.name for r in ROWS)}")


# ---- results -----------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Estimate:
    """Cycles (with stalls), array-bound cycles, DRAM bytes and joules of a prefill.  `parts`: array-bound cycles of linear layers and attention."""
    cycles: float
    compute_cycles: float
    dram_bytes: float
    energy_j: float
    parts: dict[str, float]


def published_energy(cycles: float, dram_bytes: float, power: float) -> float:
    """Joules: DRAM bytes x 99.98 pJ + power (mW) x time."""
    return dram_bytes * DRAM_PJ * 1e-12 + power * 1e-3 * cycles / FREQUENCY


def machine_power(name: str) -> float:
    """Logic and buffers of a shipped machine under the published rule, mW."""
    machine = Machine.load(name)
    logic = sum(machine.blocks(name) * c.power_mw for name, c in machine.energy.components.items())
    return logic + sum(power_mw(machine, b) for b in machine.sram.values())


def _ceil(a: float, b: float) -> int:
    return math.ceil(a / b)


def pass_cycles(rows: int) -> int:
    """Cycles of one pass of `rows` rows through one weight tile under the `scalesim` rule."""
    return rows + 93


def _linears(d: DecoderSizes) -> list[tuple[str, int, int]]:
    """(site of the input, N, K) of a layer's seven linear layers."""
    return [("q_proj", d.query_width, d.hidden), ("q_proj", d.kv_width, d.hidden), ("q_proj", d.kv_width, d.hidden),
            ("o_proj", d.hidden, d.query_width), ("gate_proj", d.intermediate, d.hidden), ("gate_proj", d.intermediate, d.hidden),
            ("down_proj", d.hidden, d.intermediate)]


# ---- the dense array ---------------------------------------------------------------------------------------------------
def _dense_bytes(m: float, n: int, k: int) -> float:
    return 2 * (m * k * _ceil(n, N_TILE) + k * n * _ceil(m, M_TILE) + m * n)


def dense(visual: int, d: DecoderSizes = QWEN2_7B) -> Estimate:
    """The weight-stationary array without concentration: row tiles as even as possible, inputs read again for each 96-wide output tile."""
    tiles = _ceil(visual, M_TILE)
    one = pass_cycles(_ceil(visual, tiles)) * tiles
    linear = sum(one * _ceil(n, ARRAY) * _ceil(k, ARRAY) for _, n, k in _linears(d))
    attention = one * _ceil(visual, ARRAY) * _ceil(d.head_dim, ARRAY) * d.heads
    traffic = sum(_dense_bytes(visual, n, k) for _, n, k in _linears(d))
    traffic += d.heads * (_dense_bytes(visual, visual, d.head_dim) + _dense_bytes(visual, d.head_dim, visual)) / 2
    cycles = d.layers * (linear + attention)
    return _estimate(cycles, cycles, d.layers * traffic, machine_power("dense-published"),
                     {"linear": d.layers * linear, "attention": d.layers * attention})


def _estimate(cycles: float, compute: float, traffic: float, power: float, parts: dict[str, float]) -> Estimate:
    return Estimate(cycles, compute, traffic, published_energy(cycles, traffic, power), parts)


# ---- AdapTiV -----------------------------------------------------------------------------------------------------------
def adaptiv(visual: int, sparsity: float, d: DecoderSizes = QWEN2_7B) -> Estimate:
    """AdapTiV: merges tokens; 16 lines of 64 multiply-accumulates, output stationary, tiles of 256 cubed."""
    m = visual * (1 - sparsity)

    def cycles(n: float, k: float) -> float:
        return 256 * _ceil(n, 16) * _ceil(m, 64) * _ceil(k, 256) + _ceil(visual * k, 64)

    def traffic(n: float, k: float) -> float:
        return 2 * (visual * k + m * k * _ceil(n, 256) + k * n * _ceil(m, 256) + n * m)

    linear = sum(cycles(n, k) for _, n, k in _linears(d))
    attention = d.heads * cycles(visual, d.head_dim)
    bytes_ = sum(traffic(n, k) for _, n, k in _linears(d)) + d.heads * (traffic(visual, d.head_dim) + traffic(d.head_dim, visual)) / 2
    total = d.layers * (linear + attention)
    return _estimate(total, total, d.layers * bytes_, _ADAPTIV_MW, {"linear": d.layers * linear, "attention": d.layers * attention})


# ---- CMC ---------------------------------------------------------------------------------------------------------------
def cmc(visual: int, frames: int, sparsity: tuple[float, float, float], d: DecoderSizes = QWEN2_7B) -> Estimate:
    """CMC: a video codec finds rows to skip; a 32 x 32 array, tiles of 768 x 64 x 64.  `sparsity`: linear layers, query, score."""
    parts = _ceil(frames, 8)

    def cycles(n: int, k: int, share: float) -> float:
        return pass_cycles(_ceil(int(visual * (1 - share)), parts)) * parts * _ceil(n, ARRAY) * _ceil(k, ARRAY)

    def traffic(n: int, k: int, share: float, read: bool = True) -> float:
        m = visual * (1 - share)
        return 2 * (visual * k * read + m * k * _ceil(n, 64) + k * n * _ceil(m, 768) + n * m)

    share, query, score = sparsity
    linears = _linears(d)
    linear = sum(cycles(n, k, share) for _, n, k in linears)
    attention = d.heads * (cycles(visual, d.head_dim, query) + cycles(d.head_dim, visual, score)) / 2
    bytes_ = sum(traffic(n, k, share, read=i not in (1, 2)) for i, (_, n, k) in enumerate(linears))
    bytes_ += d.heads * (traffic(visual, d.head_dim, query) + traffic(d.head_dim, visual, score)) / 2
    total = d.layers * (linear + attention)
    return _estimate(total, total, d.layers * bytes_, _CMC_MW, {"linear": d.layers * linear, "attention": d.layers * attention})


# ---- Focus and SEC only ------------------------------------------------------------------------------------------------
Kept = Callable[[int, str, int, int], int]      #: (layer, site, retained tokens, slices) -> unique vectors over all slices


def focus(visual: int, schedule: Concentration, ratio: float | Kept = 1.0, m_tile: int = M_TILE, d: DecoderSizes = QWEN2_7B) -> Estimate:
    """Focus (`ratio` > 1, or unique vectors per site) or SEC only (`ratio` = 1, m-tile 512 in the published figures)."""
    kept: Kept = ratio if callable(ratio) else lambda layer, site, n, slices: int(n * slices / ratio)
    counts = schedule.retained(d.layers, visual)
    linear = attention = stall = traffic = 0.0
    for layer, (before, after) in enumerate(pairwise(counts)):
        for site, n, k in _linears(d):
            rows = before if site in ("q_proj", "o_proj") else after
            slices = _ceil(k, ARRAY)
            unique = kept(layer, site, rows, slices) // slices
            compute, waits, moved = _focus_linear(rows, unique, n, k, m_tile)
            linear, stall, traffic = linear + compute, stall + waits, traffic + moved
        slices = _ceil(d.query_width, ARRAY)
        compute, waits, moved = _focus_attention(visual, before, kept(layer, "query", before, slices) // slices, m_tile, d)
        attention, stall, traffic = attention + compute, stall + waits, traffic + moved
    compute = linear + attention
    return _estimate(compute + stall, compute, traffic, machine_power("focus-published"),
                     {"linear": linear, "attention": attention, "stall": stall})


def _focus_linear(n: int, v: int, out: int, k: int, m: int) -> tuple[float, float, float]:
    """Array cycles, stall cycles and DRAM bytes of a linear layer on n retained tokens with v unique vectors per slice."""
    tiles, rows, columns = _ceil(n, m), _ceil(out, ARRAY), _ceil(k, ARRAY)
    compute = pass_cycles(v // tiles) * tiles * columns * rows
    scatter = _ceil(n * columns * rows, 2)
    gather = 8 * m * 3 * tiles * _ceil(out, N_TILE)
    stall = max(0, max(scatter, gather) - compute) + 8 * m * 3
    return compute, stall, 2 * (v * k * _ceil(out, N_TILE) + k * out * tiles + v * out)


def _focus_attention(visual: int, n: int, v: int, m: int, d: DecoderSizes) -> tuple[float, float, float]:
    """The same of a layer's attention: half of the rectangle.  Traffic: values of every head, scores of one, as the published model counts."""
    columns, slices = _ceil(n, ARRAY), _ceil(d.head_dim, ARRAY)
    query, whole = _ceil(v, m), _ceil(n, m)
    scores = pass_cycles(v // query) * query * columns * slices
    values = pass_cycles(n // whole) * whole * columns * slices
    compute = d.heads * (scores + values) / 2
    stall = max(0, _ceil(d.heads * slices * n * _ceil(visual, ARRAY), 2) - compute)
    once = 2 * (v * d.head_dim * _ceil(n, N_TILE) + d.head_dim * n * _ceil(v, m) + v * n)
    every = 2 * (n * n * _ceil(d.head_dim, N_TILE) + n * d.head_dim * whole + n * d.head_dim)
    return compute, stall, (once + d.heads * every) / 2


def geometric_mean(values: Iterable[float]) -> float:
    logs = [math.log(v) for v in values]
    return math.exp(sum(logs) / len(logs))
