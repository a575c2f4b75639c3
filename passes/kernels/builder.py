"""Builds tile-level IR: kernels of scf loops over windows of memrefs, one op an instruction of the ISA.

In: Python values (`Mat` handles on memrefs, `Idx` sums of loop counters).  Out: `focus.kernel`, `scf.for`, `focus.window`,
`focus.buffer`, `focus.recast` and the ops generated from the ISA table, at the current insertion point; functions to hold them.

Conventions that the later passes rely on: a `focus.buffer` of kind "tile" lives for one iteration of the loop body it stands in;
windows are clipped to the bounds of their base; a buffer is as large as what was last written to it; an instruction with the attribute
`until` does nothing once the counter of the innermost loop around it has reached that value.
"""
from __future__ import annotations

import contextlib
from collections.abc import Sequence
from dataclasses import dataclass, field

from torch_mlir import ir

from focus.dialects.mapping import MAX_SLOTS
from focus.dialects.support import set_attr, to_attr
from focus.dialects.tile_ops import TILE_OPS
from focus.runtime.spec.geometry import Geometry
from focus.runtime.spec.types import BY_NAME


@dataclass(frozen=True, eq=False)
class Loop:
    """An open scf.for: its induction variable, step (elements) and largest value + step."""
    value: ir.Value
    step: int


@dataclass(frozen=True)
class Idx:
    """const + sum of coefficient x induction variable."""
    const: int = 0
    terms: tuple[tuple[Loop, int], ...] = ()

    def __add__(self, other: Idx | int) -> Idx:
        if isinstance(other, int):
            return Idx(self.const + other, self.terms)
        merged = {id(loop): (loop, c) for loop, c in self.terms}
        for loop, c in other.terms:
            merged[id(loop)] = (loop, merged[id(loop)][1] + c if id(loop) in merged else c)
        return Idx(self.const + other.const, tuple(merged.values()))

    __radd__ = __add__

    def __mul__(self, k: int) -> Idx:
        return Idx(self.const * k, tuple((loop, c * k) for loop, c in self.terms))

    __rmul__ = __mul__



def as_idx(v: Idx | int) -> Idx:
    return v if isinstance(v, Idx) else Idx(v)


@dataclass(frozen=True)
class Mat:
    """A two-dimensional memref: `rows` x `cols` elements of `dtype` in `space`, rows `pitch` elements apart."""
    value: ir.Value
    rows: int
    cols: int
    dtype: str
    space: str
    pitch: int
    contiguous: bool = True


@dataclass
class TileBuilder:
    """Emits tile-level IR in the current MLIR context and insertion point."""
    geometry: Geometry                                      #: shape of the array, and of vectors
    kernel_attrs: dict = field(default_factory=dict)        #: Python values that kernels made from now on carry as attributes
    scratch: list = field(default_factory=list)             #: the DRAM buffers that callers of the function bring, as (rows, cols, dtype, name)
    _function: ir.Block | None = None                       #: the function's block
    _types: dict = field(default_factory=dict)
    _constants: dict = field(default_factory=dict)
    _steps: dict = field(default_factory=dict)
    block: ir.Block | None = None                           #: where constants go: the kernel's block, or the function's

    def enter(self, block: ir.Block) -> None:
        """Begin a block of its own constants."""
        self.block, self._constants, self._steps = block, {}, {}

    # ---- types and constants -------------------------------------------------------------------------------------
    def _type(self, text: str) -> ir.Type:
        t = self._types.get(text)
        if t is None:
            t = self._types[text] = ir.Type.parse(text)
        return t

    def memref(self, m: tuple[int, int, str, str], pitch: int | None = None) -> ir.Type:
        rows, cols, dtype, space = m
        layout = "" if pitch is None else f", strided<[{pitch}, 1], offset: ?>"
        return self._type(f'memref<{rows}x{cols}x{BY_NAME[dtype].mlir}{layout}, #focus.space<"{space}">>')

    def constant(self, v: int) -> ir.Value:
        c = self._constants.get(v)
        if c is None:
            index = self._type("index")
            with ir.InsertionPoint.at_block_begin(self.block):
                c = ir.Operation.create("arith.constant", results=[index], attributes={"value": ir.IntegerAttr.get(index, v)}).result
            self._constants[v] = c
        return c

    def index(self, i: Idx | int) -> ir.Value:
        """The SSA value of an index expression."""
        i = as_idx(i)
        total = None
        for loop, c in i.terms:
            v = loop.value if c == 1 else self._arith("arith.muli", loop.value, self.constant(c))
            total = v if total is None else self._arith("arith.addi", total, v)
        if total is None:
            return self.constant(i.const)
        return total if i.const == 0 else self._arith("arith.addi", total, self.constant(i.const))

    def step(self, most: int) -> Idx:
        """The number in the step register, of which there are `most`."""
        if most <= 1:
            return Idx(0)
        if most not in self._steps:
            with ir.InsertionPoint.at_block_begin(self.block):
                op = ir.Operation.create("focus.step", results=[self._type("index")], attributes={"most": to_attr(most)})
            self._steps[most] = Loop(op.result, 1)
        return Idx(0, ((self._steps[most], 1),))

    def _arith(self, name: str, a: ir.Value, b: ir.Value) -> ir.Value:
        return ir.Operation.create(name, results=[self._type("index")], operands=[a, b]).result

    # ---- structure -----------------------------------------------------------------------------------------------
    @contextlib.contextmanager
    def function(self, name: str, types: Sequence[ir.Type], module: ir.Block, loc: ir.Location):
        """A private function on memrefs of these types; yields its arguments.  A DRAM buffer made inside becomes one more argument (`scratch`)."""
        around = self.block, self._constants, self._steps, self.scratch, self._function
        with loc, ir.InsertionPoint(module):
            attributes = {"sym_name": ir.StringAttr.get(name), "sym_visibility": ir.StringAttr.get("private"),
                          "function_type": ir.TypeAttr.get(ir.FunctionType.get(types, []))}
            op = ir.Operation.create("func.func", attributes=attributes, regions=1)
            block = op.regions[0].blocks.append(*types)
            self.enter(block)
            self.scratch, self._function = [], block
            with ir.InsertionPoint(block):
                yield list(block.arguments)
                ir.Operation.create("func.return")
            op.attributes["function_type"] = ir.TypeAttr.get(ir.FunctionType.get([a.type for a in block.arguments], []))
        self.block, self._constants, self._steps, self.scratch, self._function = around

    @contextlib.contextmanager
    def kernel(self, name: str, loc: ir.Location, slots: int = MAX_SLOTS):
        """A `focus.kernel` region, whose buffers get at most `slots` ring slots; everything emitted inside carries `loc`."""
        with loc:
            op = ir.Operation.create("focus.kernel", attributes={"name": ir.StringAttr.get(name)}, regions=1)
            set_attr(op, "slots", slots if slots != MAX_SLOTS else None)
            for k, v in self.kernel_attrs.items():
                set_attr(op, k, v)
            around = self.block, self._constants, self._steps
            self.enter(op.regions[0].blocks.append())
            with ir.InsertionPoint(self.block):
                yield op
            self.block, self._constants, self._steps = around

    @contextlib.contextmanager
    def loop(self, total: int, step: int, hi: Idx | None = None):
        """for i in 0 .. min(total, hi) step `step`; yields the counter as an Idx.  A single trip makes no loop."""
        if hi is not None and not hi.terms:
            total, hi = min(total, hi.const), None
        if total <= step:
            yield Idx(0)
            return
        upper = self.constant(total)
        if hi is not None:
            upper = self._arith("arith.minsi", upper, self.index(hi))
        op = ir.Operation.create("scf.for", operands=[self.constant(0), upper, self.constant(step)], regions=1)
        block = op.regions[0].blocks.append(self._type("index"), arg_locs=[ir.Location.current])
        with ir.InsertionPoint(block):
            yield Idx(0, ((Loop(block.arguments[0], step), 1),))
            ir.Operation.create("scf.yield")

    # ---- memory --------------------------------------------------------------------------------------------------
    def buffer(self, space: str, rows: int, cols: int, dtype: str, name: str, kind: str = "tile", **attrs: str | int) -> Mat:
        """A `focus.buffer`: on-chip tile, or a DRAM tensor of kind param | input | output | temp."""
        type_ = self.memref((rows, cols, dtype, space))
        if space == "dram" and self._function is not None:
            self.scratch.append((rows, cols, dtype, name))
            return Mat(self._function.add_argument(type_, ir.Location.current), rows, cols, dtype, space, cols)
        op = ir.Operation.create("focus.buffer", results=[type_],
                                 attributes={k: to_attr(v) for k, v in {"name": name, "kind": kind, **attrs}.items()})
        return Mat(op.result, rows, cols, dtype, space, cols)

    def window(self, base: Mat, row: Idx | int, col: Idx | int, rows: int, cols: int) -> Mat:
        """The box of `rows` x `cols` at (row, col) of `base`, clipped to its bounds."""
        row, col = as_idx(row), as_idx(col)
        rows = min(rows, base.rows if row.terms else base.rows - row.const)         # a place that is static is clipped here
        cols = min(cols, base.cols if col.terms else base.cols - col.const)
        if row == col == Idx(0) and (rows, cols) == (base.rows, base.cols):
            return base
        op = ir.Operation.create("focus.window", results=[self.memref((rows, cols, base.dtype, base.space), base.pitch)],
                                 operands=[base.value, self.index(row), self.index(col)],
                                 attributes={"sizes": ir.DenseI64ArrayAttr.get([rows, cols])})
        return Mat(op.result, rows, cols, base.dtype, base.space, base.pitch, contiguous=False)

    def prefix(self, base: Mat, count: Idx, axis: int = 0) -> Mat:
        """The first `count` rows of `base` (or columns: axis 1), as many as the step says; a loop may run over all of them, the rest is not there."""
        if not count.terms:
            return self.window(base, 0, 0, *((count.const, base.cols) if axis == 0 else (base.rows, count.const)))
        op = ir.Operation.create("focus.prefix", results=[base.value.type], operands=[base.value, self.index(count)],
                                 attributes={"axis": to_attr(axis)})
        return Mat(op.result, base.rows, base.cols, base.dtype, base.space, base.pitch, base.contiguous)

    def recast(self, base: Mat, dtype: str) -> Mat:
        """The same rows (same addresses and byte pitch) as elements of another, narrower type: results in place."""
        pitch = base.pitch * BY_NAME[base.dtype].bytes // BY_NAME[dtype].bytes
        op = ir.Operation.create("focus.recast", results=[self.memref((base.rows, base.cols, dtype, base.space), pitch)], operands=[base.value])
        return Mat(op.result, base.rows, base.cols, dtype, base.space, pitch, contiguous=False)

    def view(self, base: Mat, rows: int, cols: int) -> Mat:
        """Row-major reinterpretation of contiguous elements: a whole tensor, or one row (or a stretch of it)."""
        if (rows, cols) == (base.rows, base.cols):
            return base
        if base.contiguous:
            op = ir.Operation.create("focus.view", results=[self.memref((rows, cols, base.dtype, base.space))], operands=[base.value])
        else:
            op = ir.Operation.create("focus.view", results=[self.memref((rows, cols, base.dtype, base.space), cols)], operands=[base.value])
        return Mat(op.result, rows, cols, base.dtype, base.space, cols, base.contiguous)

    # ---- instructions --------------------------------------------------------------------------------------------
    def op(self, mnemonic: str, *mems: Mat, attrs: dict | None = None, **optional: Mat | None) -> None:
        """One tile-level instruction: required memory operands in table order, optional ones by name, attributes as Python values."""
        cls = TILE_OPS[mnemonic]
        operands, attributes = [m.value for m in mems], {k: to_attr(v) for k, v in (attrs or {}).items()}
        names = [f.name for f in cls.INSTRUCTION.mems if f.optional]
        if names:
            present = [optional.get(n) for n in names]
            operands += [m.value for m in present if m is not None]
            attributes["operandSegmentSizes"] = ir.DenseI32ArrayAttr.get([1] * len(mems) + [int(m is not None) for m in present])
        ir.Operation.create(cls.OPERATION_NAME, operands=operands, attributes=attributes)

    def load(self, src: Mat, dst: Mat, stream: str, count: Mat | None = None) -> None:
        self.op("load", src, dst, attrs={"stream": stream}, count=count)

    def store(self, src: Mat, dst: Mat, stream: str, count: Mat | None = None) -> None:
        self.op("store", src, dst, attrs={"stream": stream}, count=count)

    def load_rows(self, src: Mat, dst: Mat, ids: Mat, stream: str) -> None:
        self.op("gather", src, dst, ids, attrs={"stream": stream})

    def mm(self, x: Mat, w: Mat, acc: Mat, init: str, count: Mat | None = None) -> None:
        """One array pass: acc (+)= x w^T, weights [columns, k]."""
        self.op("mm", x, w, acc, attrs={"init": init}, count=count)

    def mm_kn(self, x: Mat, w: Mat, acc: Mat, init: str, until: int | None = None) -> None:
        """One array pass: acc (+)= x w, weights [k, columns].  `until`: it does nothing once the innermost loop's counter has reached this."""
        self.op("mm.kn", x, w, acc, attrs={"init": init} | ({} if until is None else {"until": until}))

    def map(self, src: Mat, dst: Mat, op: str = "copy", scalar: float = 1.0) -> None:
        self.op("v.map", src, dst, attrs={"op": op, "scalar": scalar})

    def zip(self, op: str, a: Mat, b: Mat, dst: Mat, bcast: str = "full") -> None:
        self.op("v.zip", a, b, dst, attrs={"op": op, "bcast": bcast})
