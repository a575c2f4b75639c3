"""The `focus` dialect: tensor-level ops, structural ops of tiled code, attributes and types.

In: `support.OpBase`.  Out: one class an op (`LinearOp`, ... ), `TokensAttr`, `LayoutAttr`, `SpaceAttr`, `ConcentratedType`, and helpers to make
their types.  How to build and read ops stands at the head of `support`; the tile-level ops (one an instruction) are in `tile_ops`.

Activations are row-major `tensor<RxCxf16>`, a row a token; weights are [N, K] as in torch.nn.Linear; vectors `tensor<Dxf16>`; ids and row numbers
`tensor<nxi32>`; row moments (sum, sum of squares) `tensor<Rx2xf32>`.  A row of an activation that holds visual and text tokens is, from
assign-layout on, in storage order: visual rows first, then text rows; before that, in sequence order.

Algorithm: Wei et al., "Focus: A Streaming Concentration Architecture for Efficient Vision-Language Models", HPCA 2026 (arXiv 2512.14661).
"""
from functools import lru_cache
from itertools import product
from math import prod
from typing import NamedTuple, Optional

import numpy as np
from torch_mlir.dialects import tensor

from focus.runtime import isa

from .support import (Any, Bool, F64, I64, I64Array, OpBase, Operand, Pure, Region, Result, Sequence, Str, default, ext, get_attr, ir, one_of,
                      register_view, to_attr, to_python)

ACTIVATIONS = ("none", "gelu_tanh", "gelu_erf", "gelu_quick", "silu", "relu")
SITES = ("q_proj", "query", "o_proj", "gate_proj", "down_proj")     #: where a decoder layer's GEMM inputs are concentrated
BUFFER_KINDS = ("param", "input", "output", "temp", "tile")
SPACES = tuple(s.name.lower() for s in isa.Space)
#: fewer-bit integers are signless in MLIR; u16 values are i16 elements
ELEMENT_TYPES = {isa.DType.F16: "f16", isa.DType.F32: "f32", isa.DType.I32: "i32", isa.DType.U16: "i16"}
DYNAMIC = ir.ShapedType.get_dynamic_stride_or_offset()


class Focus(ext.Dialect, name="focus"):
    """Vision-language models on the way to the Focus accelerator: tensor level, concentrated, tiled."""


# ---- attributes and types ----------------------------------------------------------------------------------------------------
class Grid(NamedTuple):
    """One grid of visual tokens (a video or an image).  Token (f, h, w) has visual index first + f * frame_stride + h * height_stride + w * width_stride."""
    first: int
    frames: int
    height: int
    width: int
    frame_stride: int
    height_stride: int
    width_stride: int

    @property
    def sides(self) -> tuple[int, int, int]:
        return self.frames, self.height, self.width

    @property
    def strides(self) -> tuple[int, int, int]:
        return self.frame_stride, self.height_stride, self.width_stride

    @property
    def last(self) -> int:
        """Visual index of the grid's last token."""
        return self.first + sum((n - 1) * s for n, s in zip(self.sides, self.strides))

    def offset(self, df: int, dh: int, dw: int) -> int:
        """How many visual indices a candidate at this grid offset lies before its token."""
        return df * self.frame_stride + dh * self.height_stride + dw * self.width_stride


def grids_of(flat: Sequence[int]) -> list[Grid]:
    """The grids of a flat list of seven numbers each."""
    return [Grid(*flat[i:i + 7]) for i in range(0, len(flat), 7)]


def _python_parameters(cls: type) -> type:
    """Class decorator: the parameters of an attribute or type read as Python values."""
    for i, f in enumerate(cls._fields):
        setattr(cls, f.name, property(lambda self, i=i: to_python(self.params[i].maybe_downcast())))
    return cls


@_python_parameters
class TokensAttr(Focus.Attribute, name="tokens"):
    """Where a request's visual tokens stand.  On the function as `focus.tokens`.

    `visual` (also `V`) tokens in a sequence of `length` (also `S`).  `runs` is [start, length, ...]: runs of visual tokens by position in
    the sequence, ascending.  `grids` is seven numbers a grid (see `Grid`), ascending by `first`; candidates of a token never cross grids.
    """
    visual: I64
    length: I64
    runs: I64Array
    grids: I64Array

    @classmethod
    def make(cls, V: int, S: int, runs: Sequence[int], grids: Sequence[int]) -> "TokensAttr":
        """The attribute of Python values.  It is checked where an op uses it (`problem`)."""
        return cls.get(I64.wrap(V), I64.wrap(S), I64Array.wrap(runs), I64Array.wrap(grids))

    @property
    def V(self) -> int:
        return self.visual

    @property
    def S(self) -> int:
        return self.length

    @property
    def grid_list(self) -> list[Grid]:
        return grids_of(self.grids)

    @property
    def run_list(self) -> list[tuple[int, int]]:
        """(start, length) of each run."""
        runs = self.runs
        return list(zip(runs[::2], runs[1::2]))

    @property
    def problem(self) -> str | None:
        """What is wrong with the token layout, or None."""
        return _tokens_problem(self.V, self.S, tuple(self.runs), tuple(self.grids))


@lru_cache(maxsize=None)
def _tokens_problem(V: int, S: int, runs: tuple[int, ...], grids: tuple[int, ...]) -> str | None:
    if V < 0 or S < V:
        return f"token layout has {V} visual tokens in a sequence of {S}"
    if len(runs) % 2 or len(grids) % 7:
        return "token layout expects two numbers a run and seven a grid"
    end = 0
    for start, length in zip(runs[::2], runs[1::2]):
        if start < end or length < 1 or start + length > S:
            return f"token layout has a run of {length} at position {start}; expected ascending runs within {S} positions"
        end = start + length
    if sum(runs[1::2]) != V:
        return f"token layout has runs of {sum(runs[1::2])} visual tokens, expected {V}"
    return _grids_problem(grids, V)


def _grids_problem(flat: Sequence[int], V: int | None) -> str | None:
    """What is wrong with the extents of grids that should cover `V` visual tokens (None: as many as the grids say)."""
    grids = grids_of(flat)
    if V and not grids:
        return f"token layout has no grid for its {V} visual tokens"
    expected = 0
    for i, g in enumerate(grids):
        if min(g.sides) < 1 or any(s < 1 for n, s in zip(g.sides, g.strides) if n > 1):
            return f"grid {i} has sides {g.sides} and strides {g.strides}; expected positive numbers"
        if g.first < expected or i == 0 and g.first:
            return f"grid {i} starts at visual token {g.first}, expected {expected} or more" if i else f"grid 0 starts at visual token {g.first}, expected 0"
        expected = g.last + 1
    if V is not None and expected > V:
        return f"grid {len(grids) - 1} ends at visual token {expected - 1}, but there are {V} visual tokens"
    return None


@_python_parameters
class LayoutAttr(Focus.Attribute, name="layout"):
    """Convolution-style order of the layouter: visual token (f, h, w) lives in bank (f % banks[0], h % banks[1], w % banks[2]).

    So all members of a `block` window (a token and its candidates) are read in one cycle.  `capacity` is the number of vectors the layouter holds in all
    banks together.  The verifier of the op that uses the layout proves, window by window, that no two members share a bank.
    """
    banks: I64Array
    block: I64Array
    capacity: I64
    grids: I64Array

    @classmethod
    def make(cls, grids: Sequence[int], block: Sequence[int] = (2, 2, 2), banks: Sequence[int] = (2, 2, 2), capacity: int = 256) -> "LayoutAttr":
        """The attribute of Python values; the default capacity is that of 8 banks of 32 vectors."""
        return cls.get(I64Array.wrap(banks), I64Array.wrap(block), I64.wrap(capacity), I64Array.wrap(grids))

    @property
    def problem(self) -> str | None:
        """Why the layout does not work, or None: proven once for each distinct layout."""
        return layout_problem(tuple(self.banks), tuple(self.block), self.capacity, tuple(self.grids))


@lru_cache(maxsize=None)
def layout_problem(banks: tuple[int, ...], block: tuple[int, ...], capacity: int, grids: tuple[int, ...]) -> str | None:
    """Why a layout does not work: the first grid with a bank conflict (and two tokens that collide) or whose window history does not fit; None if it works."""
    if len(banks) != 3 or len(block) != 3 or min(banks + block) < 1:
        return f"layout has banks {list(banks)} and block {list(block)}; expected three positive numbers each"
    problem = _grids_problem(grids, None) if len(grids) % 7 == 0 else "layout expects seven numbers a grid"
    if problem:
        return problem
    for i, g in enumerate(grids_of(grids)):
        problem = _bank_conflict(g, banks, block)
        if problem:
            return f"grid {i}: {problem}"
        history = sum((b - 1) * s for n, s, b in zip(g.sides, g.strides, block) if n > 1)
        if history > capacity:
            return f"grid {i}: a window reaches {history} tokens back, but the layouter holds {capacity} vectors"
    return None


def _bank_conflict(g: Grid, banks: tuple[int, ...], block: tuple[int, ...]) -> str | None:
    """Two tokens of one window in the same bank, or None.

    Enumerates the window of every visual index of the grid, indices between grid rows (newline tokens) included.  Windows that wrap around a
    grid edge are left out: index arithmetic gives them candidates, but the layouter serves those as misses of their own.
    """
    tokens = np.arange(g.first, g.last + 1)
    coordinates, rest = [None] * 3, tokens - g.first
    for axis in sorted(range(3), key=lambda a: (-g.strides[a], a)):        # outermost stride first
        if g.sides[axis] > 1:
            coordinates[axis], rest = rest // g.strides[axis], rest % g.strides[axis]
        else:
            coordinates[axis] = np.zeros_like(tokens)
    place = np.stack(coordinates)
    members = [np.array(d)[:, None] for d in product(*(range(b) for b in block)) if all(o == 0 or n > 1 for o, n in zip(d, g.sides))]
    size = np.array(banks)[:, None]
    for i, a in enumerate(members):
        for b in members[:i]:
            inside = (place >= a).all(0) & (place >= b).all(0)
            clash = np.flatnonzero(inside & ((place - a) % size == (place - b) % size).all(0))
            if len(clash):
                t = int(tokens[clash[0]])
                one, other = t - g.offset(*b[:, 0].tolist()), t - g.offset(*a[:, 0].tolist())
                bank = tuple(((place - a) % size)[:, clash[0]].tolist())
                return f"visual tokens {one} and {other} of the window at token {t} both lie in bank {bank}"
    return None


class SpaceAttr(Focus.Attribute, name="space"):
    """Memory space of a memref: `#focus.space<"input">`; the names are those of `isa.Space` in lower case."""
    space: Str

    @classmethod
    def make(cls, name: str) -> "SpaceAttr":
        return cls.get(ir.StringAttr.get(name))

    @property
    def name_str(self) -> str:
        return self.params[0].maybe_downcast().value


@_python_parameters
class ConcentratedType(Focus.Type, name="concentrated"):
    """A concentrated activation: for each m-tile and slice its unique vectors, their number and the map from rows to them.

    It stands for `rows` rows of `width` elements, of which the first `visual` (in storage order) are visual tokens; `vector` elements a slice, `m_tile` visual rows
    a tile; `layout` is a `#focus.layout`, or unit before assign-layout.
    """
    rows: I64
    width: I64
    visual: I64
    vector: I64
    m_tile: I64
    layout: Any

    @classmethod
    def make(cls, rows: int, width: int, visual: int, vector: int = 32, m_tile: int = 1024, layout: ir.Attribute | None = None) -> "ConcentratedType":
        return cls.get(*map(I64.wrap, (rows, width, visual, vector, m_tile)), layout or ir.UnitAttr.get())

    @property
    def slices(self) -> int:
        """Number of vectors in a row."""
        return -(-self.width // self.vector)


def element_type(name: str) -> ir.Type:
    """The MLIR type of "f16", "f32", "i32" or "i16"."""
    if name in ("f16", "f32"):
        return ir.F16Type.get() if name == "f16" else ir.F32Type.get()
    return ir.IntegerType.get_signless(int(name[1:]))


def tensor_type(*shape: int, dtype: str = "f16") -> ir.RankedTensorType:
    """`tensor<...>` of a shape and an element type name."""
    return ir.RankedTensorType.get(shape, element_type(dtype))


def memref_type(*shape: int, space: str, dtype: str = "f16") -> ir.MemRefType:
    """A row-major memref in `#focus.space<space>`."""
    return ir.MemRefType.get(shape, element_type(dtype), memory_space=SpaceAttr.make(space))


def window_type(base: ir.MemRefType, sizes: Sequence[int]) -> ir.MemRefType:
    """The result type of a `focus.window` of `sizes` into a memref: the base's strides at a dynamic offset."""
    layout = ir.StridedLayoutAttr.get(DYNAMIC, base.get_strides_and_offset()[0])
    return ir.MemRefType.get(sizes, base.element_type, layout=layout, memory_space=base.memory_space)


def space_of(value_or_type: Any) -> str:
    """The memory space name of a memref value or type; "" when it has no `#focus.space`."""
    type_ = value_or_type.type if isinstance(value_or_type, ir.Value) else value_or_type
    space = type_.memory_space if isinstance(type_, ir.MemRefType) else None
    return space.name_str if isinstance(space, SpaceAttr) else ""


def dtype_of(type_: ir.Type) -> str:
    """Short name of an element type: "f16", "f32", "i32", "i16", ..."""
    if isinstance(type_, ir.F16Type):
        return "f16"
    return "f32" if isinstance(type_, ir.F32Type) else str(type_)


# ---- the base of our ops -----------------------------------------------------------------------------------------------------
class FocusOp(OpBase, dialect=Focus):
    """Base of the dialect's ops, with the reading and checking of operand types that their verifiers share."""

    def shape(self, name: str, rank: int, dtype: str = "f16") -> list[int]:
        """Shape of a tensor operand or result, which must have this rank and element type and be static."""
        type_ = getattr(self, name).type
        if isinstance(type_, ir.RankedTensorType) and type_.rank == rank and type_.has_static_shape and dtype_of(type_.element_type) == dtype:
            return type_.shape
        self.fail(f"{name} must be a static rank-{rank} tensor of {dtype}, but is {type_}")

    def matrix(self, name: str, dtype: str = "f16") -> tuple[int, int]:
        """Rows and columns of a rank-2 tensor."""
        rows, cols = self.shape(name, 2, dtype)
        return rows, cols

    def vector_length(self, name: str, dtype: str = "f16") -> int:
        """Length of a rank-1 tensor."""
        return self.shape(name, 1, dtype)[0]

    def streamed(self, name: str) -> tuple[int, int]:
        """Rows and columns of a GEMM's streamed operand: a rank-2 f16 tensor or a concentrated activation."""
        type_ = getattr(self, name).type
        if not isinstance(type_, ConcentratedType):
            return self.matrix(name)
        self.check_concentrated(name, type_)
        return type_.rows, type_.width

    def check_concentrated(self, name: str, type_: ConcentratedType) -> None:
        """Check the parameters of a concentrated type; the bindings do not."""
        for i, parameter in enumerate(("rows", "width", "visual", "vector", "m_tile")):
            if not I64.matches(type_.params[i].maybe_downcast()):
                self.fail(f"{name} has parameter '{parameter}' = {type_.params[i]}, expected an i64")
        if not 0 <= type_.visual <= type_.rows or min(type_.rows, type_.width, type_.vector, type_.m_tile) < 1:
            self.fail(f"{name} has {type_.visual} visual rows of {type_.rows}, width {type_.width}, vector {type_.vector}, m-tile {type_.m_tile}; "
                      "expected positive sizes and no more visual rows than rows")
        layout = type_.layout
        if isinstance(layout, LayoutAttr):
            problem = layout.problem
            if problem:
                self.fail(f"layout of {name}: {problem}")
        elif not isinstance(layout, ir.UnitAttr):
            self.fail(f"{name} has layout {type_.params[5]}, expected #focus.layout or unit")

    def expect(self, what: str, have: Any, wanted: Any, why: str) -> None:
        """Fail with "<what> has <have>, expected <wanted> (<why>)" unless both are equal."""
        if have != wanted:
            self.fail(f"{what} has {have}, expected {wanted} ({why})")

    def expect_shape(self, name: str, wanted: Sequence[int], dtype: str, why: str) -> None:
        """Check the type of a tensor operand or result against a full shape."""
        have = list(self.shape(name, len(wanted), dtype))
        if have != list(wanted):
            self.fail(f"{name} has shape {_by(have)}, expected {_by(wanted)} ({why})")

    def positive(self, *names: str) -> None:
        """Integer attributes that must be at least 1."""
        for name in names:
            if getattr(self, name) < 1:
                self.fail(f"attribute '{name}' must be positive, but is {getattr(self, name)}")

    def tokens(self) -> TokensAttr | None:
        """The checked token layout of the enclosing function, or None when it has none."""
        op = self.operation.parent
        while op is not None and op.name != "func.func":
            op = op.parent
        attr = get_attr(op, "focus.tokens") if op is not None else None
        if attr is not None and not isinstance(attr, TokensAttr):
            self.fail(f"the function's 'focus.tokens' must be #focus.tokens, but is {attr}")
        if attr is not None and attr.problem:
            self.fail(attr.problem)
        return attr


def _by(shape: Sequence[int]) -> str:
    return "x".join(map(str, shape))


# ---- level 2: a model on tensors ---------------------------------------------------------------------------------------------
class ParamOp(FocusOp, name="param", traits=[Pure]):
    """A parameter of the model or a constant table (`const.*`), by name; values stay outside the IR.

    `row_order` is "storage" when the rows of a table that follows the sequence are to be stored visual rows first, else "as_is".
    """
    result: Result[Any]
    name: Str
    row_order: one_of("as_is", "storage") = default("as_is")

    def check(self) -> None:
        type_ = self.result.type
        if not isinstance(type_, ir.RankedTensorType) or not type_.has_static_shape or dtype_of(type_.element_type) not in ("f16", "f32", "i32"):
            self.fail(f"result must be a static tensor of f16, f32 or i32, but is {type_}")
        if not self.name:
            self.fail("attribute 'name' must not be empty")


class LinearOp(FocusOp, name="linear", traits=[Pure]):
    """y = act(x Wᵀ + bias) + residual, as torch.nn.Linear; x may be concentrated.

    "swiglu" is silu(x Wᵀ + bias) * (x Wupᵀ + up_bias) and needs `up_weight`.  The residual's rows may divide y's rows: it repeats.
    `moments`: per row the sum and sum of squares of y, for a norm that follows.
    """
    y: Result[Any]
    x: Operand[Any]
    weight: Operand[Any]
    activation: one_of(*ACTIVATIONS, "swiglu") = default("none")
    bias: Optional[Operand[Any]] = None
    up_weight: Optional[Operand[Any]] = None
    up_bias: Optional[Operand[Any]] = None
    residual: Optional[Operand[Any]] = None
    moments: Optional[Result[Any]] = None

    def check(self) -> None:
        (m, k), (n, wk) = self.streamed("x"), self.matrix("weight")
        if wk != k:
            self.fail(f"weight has {wk} columns, but x has {k}")
        self.expect_shape("y", (m, n), "f16", "rows of x by rows of weight")
        if (self.activation == "swiglu") != (self.up_weight is not None):
            self.fail("needs up_weight with activation \"swiglu\"" if self.up_weight is None else f"has up_weight, but activation \"{self.activation}\"")
        if self.up_weight is not None:
            self.expect_shape("up_weight", (n, k), "f16", "the shape of weight")
        elif self.up_bias is not None:
            self.fail("has up_bias, but no up_weight")
        for name in ("bias", "up_bias"):
            if getattr(self, name) is not None:
                self.expect_shape(name, (n,), "f16", "rows of weight")
        if self.residual is not None:
            rows, cols = self.matrix("residual")
            if cols != n or m % rows:
                self.fail(f"residual has shape {rows}x{cols}, expected {n} columns and rows that divide {m}")
        if self.moments is not None:
            self.expect_shape("moments", (m, 2), "f32", "two values for each row of y")


class MatmulOp(FocusOp, name="matmul", traits=[Pure]):
    """Each of `batch` row blocks of rhs [batch * K, N] multiplied from the left by the same lhs [M, K]: resampling with a constant."""
    result: Result[Any]
    lhs: Operand[Any]
    rhs: Operand[Any]
    batch: I64 = default(1)

    def check(self) -> None:
        self.positive("batch")
        (m, k), (rows, n) = self.matrix("lhs"), self.matrix("rhs")
        if rows != self.batch * k:
            self.fail(f"rhs has {rows} rows, expected {self.batch * k} (batch {self.batch} of lhs's {k} columns)")
        self.expect_shape("result", (self.batch * m, n), "f16", "batch times rows of lhs by columns of rhs")


class _Norm(FocusOp):
    """What both norms check."""

    def check(self) -> None:
        rows, cols = self.matrix("x")
        self.expect_shape("result", (rows, cols), "f16", "the shape of x")
        for name in ("weight", "bias"):
            if getattr(self, name, None) is not None:
                self.expect_shape(name, (cols,), "f16", "columns of x")
        if self.moments is not None:
            self.expect_shape("moments", (rows, 2), "f32", "two values for each row of x")
        if not self.eps >= 0:
            self.fail(f"attribute 'eps' must not be negative, but is {self.eps}")


class RMSNormOp(_Norm, name="rms_norm", traits=[Pure]):
    """x / sqrt(mean(x²) + eps) * weight, by rows; `moments` of x where a GEMM has collected them."""
    result: Result[Any]
    x: Operand[Any]
    weight: Operand[Any]
    eps: F64
    moments: Optional[Operand[Any]] = None


class LayerNormOp(_Norm, name="layer_norm", traits=[Pure]):
    """(x - mean(x)) / sqrt(var(x) + eps) * weight + bias, by rows; `moments` of x where a GEMM has collected them."""
    result: Result[Any]
    x: Operand[Any]
    weight: Operand[Any]
    bias: Operand[Any]
    eps: F64
    moments: Optional[Operand[Any]] = None


class RopeOp(FocusOp, name="rope", traits=[Pure]):
    """Rotary embedding (rotate-half) of every head of x [R, heads * head_dim] by the rows of cos and sin [S, head_dim].

    With `ids`, visual row r uses table row ids[r] and text rows their own; without, row r uses row r.
    """
    result: Result[Any]
    x: Operand[Any]
    cos: Operand[Any]
    sin: Operand[Any]
    head_dim: I64
    ids: Optional[Operand[Any]] = None

    def check(self) -> None:
        self.positive("head_dim")
        (rows, cols), (table, width) = self.matrix("x"), self.matrix("cos")
        if self.head_dim % 2:
            self.fail(f"attribute 'head_dim' must be even, but is {self.head_dim}")
        if width != self.head_dim or cols % self.head_dim:
            self.fail(f"x has {cols} columns and cos {width}, expected a multiple of head_dim ({self.head_dim}) and head_dim itself")
        self.expect_shape("sin", (table, width), "f16", "the shape of cos")
        self.expect_shape("result", (rows, cols), "f16", "the shape of x")
        if self.ids is None and table != rows:
            self.fail(f"cos has {table} rows, but x has {rows}")
        if self.ids is not None and not self.vector_length("ids", "i32") <= rows <= table:
            self.fail(f"has {self.vector_length('ids', 'i32')} ids, {rows} rows of x and {table} rows of cos, "
                      "expected no more ids than rows and no more rows than cos has")


class _HeadsOp(FocusOp):
    """What ops on heads check: q [R, heads * head_dim], k (and v) [R', kv_heads * head_dim]."""

    def check_heads(self) -> tuple[int, int]:
        """Rows of q and of k."""
        self.positive("heads", "kv_heads", "head_dim")
        if self.heads % self.kv_heads:
            self.fail(f"heads ({self.heads}) must be a multiple of kv_heads ({self.kv_heads})")
        (rows, cols), (kv_rows, kv_cols) = self.streamed("q"), self.matrix("k")
        if cols != self.heads * self.head_dim:
            self.fail(f"q has {cols} columns, expected {self.heads * self.head_dim} (heads times head_dim)")
        if kv_cols != self.kv_heads * self.head_dim:
            self.fail(f"k has {kv_cols} columns, expected {self.kv_heads * self.head_dim} (kv_heads times head_dim)")
        return rows, kv_rows


class AttentionOp(_HeadsOp, name="attention", traits=[Pure]):
    """softmax(scale * q kᵀ, masked) v for each head; query heads share the k and v of their group; q may be concentrated.

    `causal` masks by position in the sequence; `ids` are the original visual indices of the visual rows, whose positions they give.
    `segments` are the lengths of row blocks that attend only to themselves; an empty list is one segment.
    """
    result: Result[Any]
    q: Operand[Any]
    k: Operand[Any]
    v: Operand[Any]
    heads: I64
    kv_heads: I64
    head_dim: I64
    scale: F64
    causal: Bool = default(False)
    segments: I64Array = default([])
    ids: Optional[Operand[Any]] = None

    def check(self) -> None:
        rows, kv_rows = self.check_heads()
        self.expect_shape("v", self.matrix("k"), "f16", "the shape of k")
        self.expect_shape("result", (rows, self.heads * self.head_dim), "f16", "the shape of q")
        if self.causal and rows != kv_rows:
            self.fail(f"q has {rows} rows and k {kv_rows}, expected equal numbers in causal attention")
        segments = self.segments
        if segments and (min(segments) < 1 or sum(segments) != rows or rows != kv_rows):
            self.fail(f"segments sum to {sum(segments)}, expected positive lengths that sum to the {rows} rows of q and {kv_rows} of k")
        if self.ids is not None and self.vector_length("ids", "i32") > rows:
            self.fail(f"has {self.vector_length('ids', 'i32')} ids for {rows} rows of q")


class ActivationOp(FocusOp, name="activation", traits=[Pure]):
    """An elementwise activation function."""
    result: Result[Any]
    x: Operand[Any]
    kind: one_of(*ACTIVATIONS)

    def check(self) -> None:
        self.expect_shape("result", self.matrix("x"), "f16", "the shape of x")


class _Elementwise(FocusOp):
    """What add and mul check."""

    def check(self) -> None:
        (rows, cols), (b_rows, b_cols) = self.matrix("a"), self.matrix("b")
        if b_cols != cols or rows % b_rows:
            self.fail(f"b has shape {b_rows}x{b_cols}, expected {cols} columns and rows that divide {rows}")
        self.expect_shape("result", (rows, cols), "f16", "the shape of a")


class AddOp(_Elementwise, name="add", traits=[Pure]):
    """a + b; b's rows divide a's rows and repeat."""
    result: Result[Any]
    a: Operand[Any]
    b: Operand[Any]


class MulOp(_Elementwise, name="mul", traits=[Pure]):
    """a * b; b's rows divide a's rows and repeat."""
    result: Result[Any]
    a: Operand[Any]
    b: Operand[Any]


class EmbeddingOp(FocusOp, name="embedding", traits=[Pure]):
    """Rows of a table [vocabulary, D] by token ids (`tensor<1xSxi32>` or a slice of it)."""
    result: Result[Any]
    ids: Operand[Any]
    table: Operand[Any]

    def check(self) -> None:
        (one, count), (_, cols) = self.matrix("ids", "i32"), self.matrix("table")
        self.expect_shape("result", (one * count, cols), "f16", "number of ids by columns of table")


class TakeRowsOp(FocusOp, name="take_rows", traits=[Pure]):
    """Rows of x by a constant list of row numbers."""
    result: Result[Any]
    x: Operand[Any]
    indices: Operand[Any]

    def check(self) -> None:
        self.expect_shape("result", (self.vector_length("indices", "i32"), self.matrix("x")[1]), "f16", "number of indices by columns of x")


class ConcatOp(tensor.ConcatOp):
    """Inputs below each other, in order: upstream's `tensor.concat dim(0)`, with our way to build it.

    An op of ours cannot say this: operands of one variadic group of a Python-defined op must all have the same type.
    """

    @property
    def inputs(self) -> list[ir.Value]:
        return list(self.operands)

    @classmethod
    def build(cls, *inputs: Any, results: ir.Type | Sequence[ir.Type], loc: ir.Location | str | None = None, ip: ir.InsertionPoint | None = None,
              attrs: dict[str, Any] | None = None) -> "ConcatOp":
        """Create the op, as `OpBase.build` does."""
        attributes = {"dim": ir.IntegerAttr.get(ir.IntegerType.get_signless(64), 0)} | {k: to_attr(v) for k, v in (attrs or {}).items()}
        where = ir.Location.name(loc) if isinstance(loc, str) else loc
        return ir.Operation.create(cls.OPERATION_NAME, results=[results] if isinstance(results, ir.Type) else list(results),
                                   operands=[v if isinstance(v, ir.Value) else v.operation.result for v in inputs],
                                   attributes=attributes, loc=where, ip=ip).opview


register_view(ConcatOp, tensor._Dialect)


class SliceOp(FocusOp, name="slice", traits=[Pure]):
    """The box of `sizes` at `offsets` ([row, column]) of a rank-2 tensor."""
    result: Result[Any]
    x: Operand[Any]
    offsets: I64Array
    sizes: I64Array

    def check(self) -> None:
        type_ = self.x.type
        if not isinstance(type_, ir.RankedTensorType) or type_.rank != 2 or not type_.has_static_shape:
            self.fail(f"x must be a static rank-2 tensor, but is {type_}")
        offsets, sizes = self.offsets, self.sizes
        if len(offsets) != 2 or len(sizes) != 2:
            self.fail(f"expects [row, column] offsets and sizes, but has {offsets} and {sizes}")
        for axis, (at, size, extent) in enumerate(zip(offsets, sizes, type_.shape)):
            if at < 0 or size < 1 or at + size > extent:
                self.fail(f"takes {size} {('rows', 'columns')[axis]} from {at} on, but x has {extent}")
        self.expect_shape("result", sizes, dtype_of(type_.element_type), "sizes")


class ReshapeOp(FocusOp, name="reshape", traits=[Pure]):
    """The same elements in row-major order under another shape."""
    result: Result[Any]
    x: Operand[Any]

    def check(self) -> None:
        a, b = self.x.type, self.result.type
        for name, type_ in (("x", a), ("result", b)):
            if not isinstance(type_, ir.RankedTensorType) or not type_.has_static_shape:
                self.fail(f"{name} must be a static tensor, but is {type_}")
        if prod(a.shape) != prod(b.shape) or a.element_type != b.element_type:
            self.fail(f"result has {prod(b.shape)} elements of {b.element_type}, but x has {prod(a.shape)} of {a.element_type}")


class PatchEmbedOp(FocusOp, name="patch_embed", traits=[Pure]):
    """Convolution with stride = kernel = `patch`: pixels [F, C, H, W] to [F * (H // patch) * (W // patch), D], weight [D, C * patch * patch]."""
    result: Result[Any]
    pixels: Operand[Any]
    weight: Operand[Any]
    patch: I64
    bias: Optional[Operand[Any]] = None

    def check(self) -> None:
        self.positive("patch")
        frames, channels, height, width = self.shape("pixels", 4)
        depth, taps = self.matrix("weight")
        if taps != channels * self.patch ** 2:
            self.fail(f"weight has {taps} columns, expected {channels * self.patch ** 2} ({channels} channels times patch {self.patch} squared)")
        self.expect_shape("result", (frames * (height // self.patch) * (width // self.patch), depth), "f16", "patches of all frames by rows of weight")
        if self.bias is not None:
            self.expect_shape("bias", (depth,), "f16", "rows of weight")


class LastRowOp(FocusOp, name="last_row", traits=[Pure]):
    """The row of the last token in sequence order."""
    result: Result[Any]
    x: Operand[Any]

    def check(self) -> None:
        self.expect_shape("result", (1, self.matrix("x")[1]), "f16", "one row of x")


# ---- level 3: concentration --------------------------------------------------------------------------------------------------
class TokenIdsOp(FocusOp, name="token_ids", traits=[Pure]):
    """Original visual indices 0 .. V-1: the ids before any pruning."""
    result: Result[Any]

    def check(self) -> None:
        count, tokens = self.vector_length("result", "i32"), self.tokens()
        if tokens is None:
            self.fail("needs the token layout 'focus.tokens' on its function")
        self.expect("result", f"{count} ids", f"{tokens.V} ids", "the visual tokens of the function's token layout")


class ImportanceOp(_HeadsOp, name="importance", traits=[Pure]):
    """Of each retained visual token, the largest softmax probability any head gives it from any prompt row (text after the visual tokens)."""
    result: Result[Any]
    q: Operand[Any]
    k: Operand[Any]
    ids: Operand[Any]
    heads: I64
    kv_heads: I64
    head_dim: I64
    scale: F64

    def check(self) -> None:
        rows, kv_rows = self.check_heads()
        count = self.vector_length("ids", "i32")
        self.expect_shape("result", (count,), "f32", "one value for each id")
        if rows != kv_rows or count > rows:
            self.fail(f"has {rows} rows of q, {kv_rows} of k and {count} ids, expected equal numbers of rows and no more ids")


class TopKOp(FocusOp, name="topk", traits=[Pure]):
    """Row numbers of the k most important visual tokens, ascending; ties go to the lower number."""
    result: Result[Any]
    importance: Operand[Any]
    k: I64

    def check(self) -> None:
        count = self.vector_length("importance", "f32")
        if not 1 <= self.k <= count:
            self.fail(f"keeps {self.k} of {count} tokens, expected 1 to {count}")
        self.expect_shape("result", (self.k,), "i32", "k row numbers")


class SelectIdsOp(FocusOp, name="select_ids", traits=[Pure]):
    """The ids of the kept rows."""
    result: Result[Any]
    ids: Operand[Any]
    sel: Operand[Any]

    def check(self) -> None:
        count, kept = self.vector_length("ids", "i32"), self.vector_length("sel", "i32")
        if kept > count:
            self.fail(f"sel has {kept} row numbers, but there are {count} ids")
        self.expect_shape("result", (kept,), "i32", "one id for each kept row")


class PruneOp(FocusOp, name="prune", traits=[Pure]):
    """The kept visual rows of x [n + T, D] (by `sel`), and all its text rows: [k + T, D]."""
    result: Result[Any]
    x: Operand[Any]
    sel: Operand[Any]

    def check(self) -> None:
        (rows, cols), kept, (out_rows, out_cols) = self.matrix("x"), self.vector_length("sel", "i32"), self.matrix("result")
        if out_cols != cols or not kept <= out_rows <= rows:
            self.fail(f"result has shape {out_rows}x{out_cols}, expected {kept} kept and all text rows of x, which has shape {rows}x{cols}")


class GatherOp(FocusOp, name="gather", traits=[Pure]):
    """Similarity concentration of x [n + T, D] at one site of a decoder layer.

    Each slice of `vector` elements of each visual row joins its most similar candidate within `block` ([f, h, w] sides) of the same m-tile where their cosine
    similarity exceeds `threshold`; a group's vector is the mean of its members.
    """
    result: Result[Any]
    x: Operand[Any]
    ids: Operand[Any]
    layer: I64
    site: one_of(*SITES)
    threshold: F64
    block: I64Array
    vector: I64 = default(32)
    m_tile: I64 = default(1024)

    def check(self) -> None:
        (rows, cols), count, type_ = self.matrix("x"), self.vector_length("ids", "i32"), self.result.type
        self.positive("vector", "m_tile")
        if not isinstance(type_, ConcentratedType):
            self.fail(f"result must be !focus.concentrated, but is {type_}")
        self.check_concentrated("result", type_)
        have = (type_.rows, type_.width, type_.visual, type_.vector, type_.m_tile)
        wanted = (rows, cols, count, self.vector, self.m_tile)
        if have != wanted:
            self.fail(f"result has (rows, width, visual, vector, m_tile) {have}, expected {wanted} (shape of x, number of ids, attributes)")
        if len(self.block) != 3 or any(b not in (1, 2) for b in self.block):
            self.fail(f"block must be three sides of 1 or 2, but is {self.block}")
        if self.layer < 0:
            self.fail(f"attribute 'layer' must not be negative, but is {self.layer}")
        layout = type_.layout
        if isinstance(layout, LayoutAttr) and layout.block != self.block:
            self.fail(f"layout of result is for block {layout.block}, but the op's block is {self.block}")
        self.tokens()


# ---- level 4: structure of tiled code ----------------------------------------------------------------------------------------
class KernelOp(FocusOp, name="kernel", traits=[ir.NoTerminatorTrait]):
    """One computation on memrefs: scf.for loops over tile-level ops; uses the DRAM buffers around it.  `name` is the module path it comes from."""
    name: Str
    body: Region

    @classmethod
    def build(cls, **kw: Any) -> "KernelOp":
        """The op with an empty block, in which to insert: `ir.InsertionPoint(op.block)`."""
        op = super().build(**kw)
        op.regions[0].blocks.append()
        return op

    @property
    def block(self) -> ir.Block:
        return self.regions[0].blocks[0]

    def check_region(self) -> None:
        if len(self.regions[0].blocks) != 1 or len(self.regions[0].blocks[0].arguments):
            self.fail("expects a body of one block without arguments")


class BufferOp(FocusOp, name="buffer"):
    """A buffer: of the model in DRAM ("param", "input", "output", "temp"), or on chip ("tile") for one iteration of the loop body it stands in.

    Attributes added later: `slots` (ring slots, by schedule) and `address` (bytes, by allocate).
    """
    result: Result[Any]
    name: Str
    kind: one_of(*BUFFER_KINDS)

    def check(self) -> None:
        type_ = self.result.type
        space = space_of(type_)
        if not space or space not in SPACES or not type_.has_static_shape:
            self.fail(f"result must be a static memref in a #focus.space of {', '.join(SPACES)}, but is {type_}")
        if (self.kind == "tile") == (space == "dram"):
            self.fail(f"of kind \"{self.kind}\" must {'not ' if self.kind == 'tile' else ''}be in dram, but is in {space}")
        if dtype_of(type_.element_type) not in ELEMENT_TYPES.values():
            self.fail(f"result has elements of {type_.element_type}, expected {', '.join(ELEMENT_TYPES.values())}")
        slots, address = get_attr(self, "slots", 1), get_attr(self, "address", 0)
        if not isinstance(slots, int) or not 1 <= slots <= 15 or not isinstance(address, int) or address < 0:
            self.fail(f"has slots {slots} and address {address}, expected 1 to 15 slots and an address of at least 0")


class WindowOp(FocusOp, name="window", traits=[Pure]):
    """The box of `sizes` at `indices` of a memref, clipped to the memref's bounds: near its end, fewer rows or columns are there."""
    result: Result[Any]
    base: Operand[Any]
    sizes: I64Array
    indices: Sequence[Operand[Any]]

    @classmethod
    def build(cls, base: ir.Value, *indices: ir.Value, sizes: Sequence[int], results: Any = None, **kw: Any) -> "WindowOp":
        """The op; its result type follows from the base's type and `sizes` unless given."""
        base = base if isinstance(base, ir.Value) else base.operation.result
        return super().build(base, *indices, sizes=sizes, results=results or [window_type(base.type, sizes)], **kw)

    def check(self) -> None:
        base, result, sizes = self.base.type, self.result.type, self.sizes
        for name, type_ in (("base", base), ("result", result)):
            if not isinstance(type_, ir.MemRefType) or not type_.has_static_shape:
                self.fail(f"{name} must be a static memref, but is {type_}")
        if len(self.indices) != base.rank or len(sizes) != base.rank:
            self.fail(f"has {len(self.indices)} indices and {len(sizes)} sizes, expected {base.rank} (rank of base)")
        for i, value in enumerate(self.indices):
            if not isinstance(value.type, ir.IndexType):
                self.fail(f"index {i} must have type index, but has {value.type}")
        for axis, (size, extent) in enumerate(zip(sizes, base.shape)):
            if not 1 <= size <= extent:
                self.fail(f"size {axis} is {size}, expected 1 to {extent} (extent of base)")
        if result != window_type(base, sizes):
            self.fail(f"result is {result}, expected {window_type(base, sizes)}")


class RecastOp(FocusOp, name="recast", traits=[Pure]):
    """The same rows at the same addresses and byte pitch, as elements of a narrower type: how results replace accumulators in place."""
    result: Result[Any]
    base: Operand[Any]

    def check(self) -> None:
        base, result = self.base.type, self.result.type
        for name, type_ in (("base", base), ("result", result)):
            if not isinstance(type_, ir.MemRefType) or type_.rank != 2 or not type_.has_static_shape:
                self.fail(f"{name} must be a static rank-2 memref, but is {type_}")
        wide, narrow = (_BYTES.get(dtype_of(t.element_type), 0) for t in (base, result))
        if not narrow or wide < narrow:
            self.fail(f"result has elements of {dtype_of(result.element_type)}, expected a type no wider than {dtype_of(base.element_type)}")
        if list(base.shape) != list(result.shape) or base.memory_space != result.memory_space:
            self.fail(f"result is {result}, expected shape and memory of base, which is {base}")
        pitch = base.get_strides_and_offset()[0][0] * wide // narrow
        if result.get_strides_and_offset()[0] != [pitch, 1]:
            self.fail(f"result has strides {result.get_strides_and_offset()[0]}, expected {[pitch, 1]} (the byte pitch of base)")


class ViewOp(FocusOp, name="view", traits=[Pure]):
    """The same contiguous elements in row-major order under another rank-2 shape; the base is a whole buffer or (part of) one row."""
    result: Result[Any]
    base: Operand[Any]

    def check(self) -> None:
        base, result = self.base.type, self.result.type
        for name, type_ in (("base", base), ("result", result)):
            if not isinstance(type_, ir.MemRefType) or type_.rank != 2 or not type_.has_static_shape:
                self.fail(f"{name} must be a static rank-2 memref, but is {type_}")
        if prod(base.shape) != prod(result.shape) or base.element_type != result.element_type or base.memory_space != result.memory_space:
            self.fail(f"result is {result}, expected as many elements of the same type and memory as base, which is {base}")
        if base.shape[0] != 1 and base.get_strides_and_offset()[0] != [base.shape[1], 1]:
            self.fail(f"base is {base}, whose rows are not contiguous")
        if result.get_strides_and_offset()[0] != [result.shape[1], 1]:
            self.fail(f"result has strides {result.get_strides_and_offset()[0]}, expected {[result.shape[1], 1]}")


_BYTES = {"f16": 2, "f32": 4, "i32": 4, "i16": 2}
