"""How many cycles an instruction takes on a machine.

In: a machine's JSON.  Out: `Timing`; `Machine.timing` is that of a machine.  The rules are stated once, in the simulator's core
(`runtime/sim/timing.h`), and read here by all that predicts cycles: the cost model, closed forms, tests.  docs/machine.md explains them.

All results are cycles of the unit alone: waiting for operands, for room in the queue or for the bus comes on top.
"""
from __future__ import annotations

from focus.runtime import _sim
from focus.runtime.spec import isa
from focus.runtime.spec.errors import FocusError


class Timing:
    """The timing rules with one machine's numbers."""

    def __init__(self, machine_json: str):
        self._core = _sim.Timing(machine_json)
        self._vector: dict[tuple, int] = {}         #: cycles by the arguments of `vector`, which is asked the same again and again

    # ---- array -------------------------------------------------------------------------------------------------------
    @property
    def weight_load(self) -> int:
        """Cycles that loading a weight tile takes; the shortest pass of the `shadow` rule."""
        return self._core.weight_load

    @property
    def fill(self) -> int:
        """`shadow`: cycles from the last row's entry to the last result."""
        return self._core.fill

    def array(self, rows: int) -> int:
        """Cycles for which a pass of `rows` rows occupies the array; 0 for none."""
        return self._core.array_pass(rows)[0]

    def array_latency(self, rows: int) -> int:
        """Cycles from the start of a pass of `rows` rows until its partial sums are there."""
        return self._core.array_pass(rows)[1]

    # ---- the other units ---------------------------------------------------------------------------------------------
    def scatter(self, rows: int, cols: int) -> int:
        """Cycles of adding `rows` rows (mapped and identity) of `cols` partial sums to their accumulators."""
        return self._core.scatter(rows, cols)

    def sic_gather(self, visual: int, identity: int, block: int, vector: int) -> int:
        """Cycles of concentrating one slice: `visual` vectors of `vector` elements, each compared with its block of `block` members (itself
        included), and `identity` rows that are copied."""
        return self._core.sic_gather(visual, identity, block, vector)

    def sec_importance(self, rows: int, cols: int) -> int:
        """Cycles of the maxima over `rows` rows of `cols` probabilities."""
        return self._core.sec_importance(rows, cols)

    def sec_topk(self, candidates: int) -> int:
        """Cycles of choosing the most important of `candidates` tokens."""
        return self._core.sec_topk(candidates)

    def sec_select(self, keep: int) -> int:
        """Cycles of compacting a list to `keep` entries."""
        return self._core.sec_select(keep)

    def vector(self, mnemonic: str, rows: int, cols: int = 0, op: str = "", extra: bool = False) -> int:
        """Cycles of an instruction of the vector unit on `rows` x `cols` elements; 0 for no rows.

        `op`: the lower-case name of the function of `v.map`, `v.zip` and `v.reduce`; `extra`: whether the operand is there that costs lanes
        of its own (`bias` of `v.normalize`, positions of `v.softmax` and `v.prob`).  `v.stats` has no columns.  Raises FocusError for an
        instruction of another unit, or a function it does not have.
        """
        known = self._vector.get(key := (mnemonic, rows, cols, op, extra))
        if known is not None:
            return known
        work = isa.TABLE[mnemonic].work if mnemonic in isa.TABLE else None
        names = isa.ENUMS[isa.TABLE[mnemonic].field(work.by).enum].__members__ if work and work.by else {"": 0}
        if op.upper() not in names:
            raise FocusError(f"'{mnemonic}' has no function '{op}'; {', '.join(n.lower() for n in names) or 'none'} expected")
        self._vector[key] = self._core.vector(mnemonic, int(names[op.upper()]), extra, rows, cols)
        return self._vector[key]

    # ---- DRAM --------------------------------------------------------------------------------------------------------
    @property
    def dram_latency(self) -> int:
        """Cycles from the end of a transfer's bus time until its data is there."""
        return self._core.dram_latency

    def dma(self, nbytes: int) -> float:
        """Cycles of bus time of a transfer of `nbytes` bytes in whole bursts."""
        return self._core.dma(nbytes)
