"""The `focus` dialect: tensor-level ops here, and everything else of the dialect but the instructions by import.

In: `base.FocusOp`.  Out: one class an op (`LinearOp`, ...), the structural ops of `structure`, attributes, types and helpers of `base`.
How to build and read ops stands at the head of `support`; the tile-level ops (one per instruction) are in `tile_ops`.

Activations are row-major `tensor<RxCxf16>`, a row per token; weights are [N, K] as in torch.nn.Linear; vectors `tensor<Dxf16>`; ids and row
numbers `tensor<nxi32>`; row moments (mean, sum of squared deviations from it) `tensor<Rx2xf32>`.  A row of an activation that holds visual
and text tokens is, from assign-layout on, in storage order: visual rows first, then text rows; before that, in sequence order.

Algorithm: Wei et al., "Focus: A Streaming Concentration Architecture for Efficient Vision-Language Models", HPCA 2026 (arXiv 2512.14661).
"""
import math
from math import prod
from typing import TYPE_CHECKING

from torch_mlir.dialects import tensor

from focus.dialects.base import (  # noqa: F401  this module is where others find the whole dialect
    DYNAMIC,
    ELEMENT_BYTES,
    ELEMENT_TYPES,
    SPACES,
    ConcentratedType,
    FlatGrid,
    Focus,
    FocusOp,
    LayoutAttr,
    MappingAttr,
    SpaceAttr,
    TokensAttr,
    dtype_of,
    element_type,
    grids_of,
    grids_problem,
    layout_problem,
    mapping_of,
    memref_type,
    space_of,
    tensor_type,
    window_type,
)
from focus.dialects.contracts import (  # noqa: F401
    MAX_SEMAPHORES,
    CachesAttr,
    ConcentrationAttr,
    CreditAttr,
    PortAttr,
    SyncAttr,
    TowerAttr,
    check_module,
    credit_array,
    pairs,
    port_of,
    sync_array,
)
from focus.dialects.structure import BUFFER_KINDS, BufferOp, KernelOp, PrefixOp, RecastOp, StepOp, ViewOp, WindowOp  # noqa: F401
from focus.dialects.support import (
    F64,
    I64,
    Any,
    Bool,
    I64Array,
    InvalidOp,
    Operand,
    Pure,
    Result,
    Sequence,
    Str,
    default,
    get_attr,
    ir,
    one_of,
    register_view,
    to_attr,
)
from focus.runtime.spec.isa import MAX_BLOCK_SIDE
from focus.runtime.spec.sites import ALL_SITES, LARGEST_M_TILE, PUBLISHED_VECTOR, SITES

GATHERS = "focus.gathers"       #: attribute of a norm or linear layer that concentrates its own result, as the focus.gather that uses it says
GRIDS, CELLS = "focus.grids", "focus.cells"     #: attributes of a focus.gather in the vision tower
ACTIVATIONS = ("none", "gelu_tanh", "gelu_erf", "gelu_quick", "silu", "relu")


# ---- level 2: a model on tensors ---------------------------------------------------------------------------------------------
class ParamOp(FocusOp, name="param", traits=[Pure]):
    """A parameter of the model or a constant table (`const.*`), by name; values stay outside the IR.

    `row_order` is "storage" when the rows of a table that follows the sequence are to be stored visual rows first, else "as_is".
    """
    result: Result[Any]
    name: Str
    row_order: one_of("as_is", "storage") = default("as_is")      # type: ignore[valid-type]

    def check(self) -> None:
        type_ = self.result.type
        static = isinstance(type_, ir.RankedTensorType) and type_.has_static_shape
        if not static or dtype_of(type_.element_type) not in ("f16", "f32", "i32"):
            self.fail(f"result must be a static tensor of f16, f32 or i32, but is {type_}")
        if not self.name:
            self.fail("attribute 'name' must not be empty")


class LinearOp(FocusOp, name="linear", traits=[Pure]):
    """y = act(x Wᵀ + bias) + residual, as torch.nn.Linear; x may be concentrated.

    "swiglu" is silu(x Wᵀ + bias) * (x Wupᵀ + up_bias) and needs `up_weight`.  The residual's rows may divide y's rows: it repeats.
    `moments`: per row the mean of y and the sum of squared deviations from it, for a norm that follows.
    """
    y: Result[Any]
    x: Operand[Any]
    weight: Operand[Any]
    activation: one_of(*ACTIVATIONS, "swiglu") = default("none")      # type: ignore[valid-type]
    bias: Operand[Any] | None = None
    up_weight: Operand[Any] | None = None
    up_bias: Operand[Any] | None = None
    residual: Operand[Any] | None = None
    moments: Result[Any] | None = None

    def check(self) -> None:
        (m, k), (n, wk) = self.streamed("x"), self.matrix("weight")
        if wk != k:
            self.fail(f"weight has {wk} columns, but x has {k}")
        self.expect_shape("y", (m, n), "f16", "rows of x by rows of weight")
        if (self.activation == "swiglu") != (self.up_weight is not None):
            self.fail(f"{'needs' if self.up_weight is None else 'has'} up_weight with activation \"{self.activation}\"")
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

    def width(self, cols: int) -> int:
        """Columns that are normalised together, of the `cols` of a row."""
        return cols

    def check(self) -> None:
        rows, cols = self.matrix("x")
        self.expect_shape("result", (rows, cols), "f16", "the shape of x")
        for name in ("weight", "bias"):
            if getattr(self, name, None) is not None:
                self.expect_shape(name, (self.width(cols),), "f16", "columns of x")
        if self.moments is not None:
            self.expect_shape("moments", (rows, 2), "f32", "two values for each row of x")
        if not self.eps >= 0:
            self.fail(f"attribute 'eps' must not be negative, but is {self.eps}")


class RMSNormOp(_Norm, name="rms_norm", traits=[Pure]):
    """x / sqrt(mean(x²) + eps) * weight, by rows, or by heads as wide as weight; `moments` of x's rows where a GEMM has collected them."""
    result: Result[Any]
    x: Operand[Any]
    weight: Operand[Any]
    eps: F64
    moments: Operand[Any] | None = None

    def width(self, cols: int) -> int:
        head = self.vector_length("weight", "f16")
        if self.moments is not None or not head or cols % head:
            return cols
        return head

    @property
    def heads(self) -> int:
        """How many parts of a row are normalised, each by itself."""
        return self.x.type.shape[1] // self.weight.type.shape[0]


class LayerNormOp(_Norm, name="layer_norm", traits=[Pure]):
    """(x - mean(x)) / sqrt(var(x) + eps) * weight + bias, by rows; `moments` of x where a GEMM has collected them."""
    result: Result[Any]
    x: Operand[Any]
    weight: Operand[Any]
    bias: Operand[Any]
    eps: F64
    moments: Operand[Any] | None = None


class RopeOp(FocusOp, name="rope", traits=[Pure]):
    """Rotary embedding (rotate-half) of every head of x [R, heads * head_dim] by the rows of cos and sin [S, head_dim].

    With `ids`, visual row r uses table row ids[r] and text rows their own; without, row r uses row r.
    """
    result: Result[Any]
    x: Operand[Any]
    cos: Operand[Any]
    sin: Operand[Any]
    head_dim: I64
    ids: Operand[Any] | None = None

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


class StepRopeOp(FocusOp, name="step_rope", traits=[Pure]):
    """Rotary embedding (rotate-half) of every head of the new tokens of a step: x [requests * new, heads * head_dim], cos and sin [room, head_dim].

    Row r of a request uses the table row whose number is that of the step plus r.
    """
    result: Result[Any]
    x: Operand[Any]
    cos: Operand[Any]
    sin: Operand[Any]
    head_dim: I64
    new: I64

    def check(self) -> None:
        self.positive("head_dim", "new")
        (rows, cols), (table, width) = self.matrix("x"), self.matrix("cos")
        if self.head_dim % 2 or width != self.head_dim or cols % self.head_dim:
            self.fail(f"x has {cols} columns and cos {width}, expected a multiple of head_dim ({self.head_dim}), which is even, and head_dim itself")
        self.expect_shape("sin", (table, width), "f16", "the shape of cos")
        self.expect_shape("result", (rows, cols), "f16", "the shape of x")
        if rows % self.new or self.new > table:
            self.fail(f"attribute 'new' is {self.new}, expected a divisor of the {rows} rows of x, at most the {table} rows of cos")


#: attributes of every op on heads
HEADS = ("heads", "kv_heads", "head_dim", "scale", "cap")


class _HeadsOp(FocusOp):
    """What ops on heads check: q [R, heads * head_dim], k (and v) [R', kv_heads * head_dim].

    `cap`, unless 0, bounds scores s as cap * tanh(s / cap)."""

    def check_heads(self) -> tuple[int, int]:
        """Rows of q and of k."""
        self.positive("heads", "kv_heads", "head_dim")
        if not 0 <= self.cap < math.inf:
            self.fail(f"attribute 'cap' must be a bound of scores, or 0 for none, but is {self.cap}")
        if self.heads % self.kv_heads:
            self.fail(f"heads ({self.heads}) must be a multiple of kv_heads ({self.kv_heads})")
        (rows, cols), (kv_rows, kv_cols) = self.streamed("q"), self.matrix("k")
        if cols != self.heads * self.head_dim:
            self.fail(f"q has {cols} columns, expected {self.heads * self.head_dim} (heads times head_dim)")
        if kv_cols != self.kv_heads * self.head_dim:
            self.fail(f"k has {kv_cols} columns, expected {self.kv_heads * self.head_dim} (kv_heads times head_dim)")
        return rows, kv_rows


class AttentionOp(_HeadsOp, name="attention", traits=[Pure]):
    """softmax(scale * q kᵀ, capped and masked) v for each head; query heads share the k and v of their group; q may be concentrated.

    `causal` masks by position in the sequence; `ids` are the original visual indices of the visual rows, whose positions they give.  With
    `key_ids`, keys and values are of more tokens than queries: of these visual indices, and of all text rows.
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
    cap: F64 = default(0.0, written=False)
    causal: Bool = default(False)
    segments: I64Array = default([])
    ids: Operand[Any] | None = None
    key_ids: Operand[Any] | None = None

    def check(self) -> None:
        rows, kv_rows = self.check_heads()
        self.expect_shape("v", self.matrix("k"), "f16", "the shape of k")
        self.expect_shape("result", (rows, self.heads * self.head_dim), "f16", "the shape of q")
        dropped = 0
        if self.key_ids is not None:
            if self.ids is None or not self.causal:
                self.fail("has key_ids, expected causal attention with ids")
            dropped = self.vector_length("key_ids", "i32") - self.vector_length("ids", "i32")
        if self.causal and (rows + dropped != kv_rows or dropped < 0):
            more = f", {dropped} more than queries by ids and key_ids" if self.key_ids is not None else ""
            self.fail(f"q has {rows} rows and k {kv_rows}, expected equal numbers in causal attention{more}")
        segments = self.segments
        if segments and (min(segments) < 1 or sum(segments) != rows or rows != kv_rows):
            self.fail(f"segments sum to {sum(segments)}, expected positive lengths that sum to the {rows} rows of q and {kv_rows} of k")
        if self.ids is not None and self.vector_length("ids", "i32") > rows:
            self.fail(f"has {self.vector_length('ids', 'i32')} ids for {rows} rows of q")


class CacheOp(FocusOp, name="cache", traits=[Pure]):
    """Keys or values of a layer that outlive a program: result [requests * (lead + rows + room), width].

    For each request: `lead` rows that are copies, `held` that the prefill has left, then `room` for those of new tokens.  `name` says whose it is.
    """
    result: Result[Any]
    name: Str
    requests: I64
    lead: I64
    held: I64
    room: I64

    @property
    def capacity(self) -> int:
        """Rows of a request."""
        return self.lead + self.held + self.room

    def check(self) -> None:
        self.positive("requests", "held", "room")
        if self.lead < 0:
            self.fail(f"attribute 'lead' must not be negative, but is {self.lead}")
        rows, _ = self.matrix("result")
        if rows != self.requests * self.capacity:
            self.fail(f"result has {rows} rows, expected {self.requests * self.capacity} ({self.requests} requests of {self.capacity})")


def cache_of(value: ir.Value) -> CacheOp | None:
    """The cache that a value is, after any number of appends; None where it is none."""
    while not isinstance(value.owner, ir.Block):
        op = value.owner.opview
        if isinstance(op, CacheOp):
            return op
        if not isinstance(op, CacheAppendOp):
            return None
        value = op.cache
    return None


def known_cache(value: ir.Value) -> CacheOp:
    """The cache that a value is, which the verifier has seen to."""
    cache = cache_of(value)
    assert cache is not None
    return cache


class CacheAppendOp(FocusOp, name="cache_append", traits=[Pure]):
    """The cache with the rows of new tokens [requests * new, width] after those of the prefill, from the row on that the step register says.  In
    place: nothing may use `cache` afterwards."""
    result: Result[Any]
    cache: Operand[Any]
    rows: Operand[Any]

    def check(self) -> None:
        cache = cache_of(self.cache)
        if cache is None:
            raise InvalidOp("appends to what is no focus.cache")
        (_, width), (rows, cols) = self.matrix("cache"), self.matrix("rows")
        if cols != width or rows % cache.requests or rows // cache.requests > cache.room:
            self.fail(f"rows has shape {rows}x{cols}, expected {width} columns and as many rows for each of {cache.requests} requests, at most "
                      f"{cache.room}")
        if self.result.type != self.cache.type:
            self.fail(f"result is {self.result.type}, expected the type of the cache, {self.cache.type}")


class CachedAttentionOp(_HeadsOp, name="cached_attention", traits=[Pure]):
    """softmax(scale * q kᵀ, capped and masked) v for each head and request: q [requests * new, heads * head_dim] of the tokens of a step, k and v
    caches to which theirs have been appended.

    A token sees what the prefill has left, the tokens of earlier steps, and those of its own up to itself.
    """
    result: Result[Any]
    q: Operand[Any]
    k: Operand[Any]
    v: Operand[Any]
    heads: I64
    kv_heads: I64
    head_dim: I64
    scale: F64
    cap: F64 = default(0.0, written=False)

    def check(self) -> None:
        rows, _ = self.check_heads()
        cache, values = cache_of(self.k), cache_of(self.v)
        if cache is None or values is None:
            raise InvalidOp("has keys or values that are no focus.cache")
        if (cache.requests, cache.lead, cache.held, cache.room) != (values.requests, values.lead, values.held, values.room):
            self.fail(f"has caches '{cache.name}' and '{values.name}' of different sizes")
        self.expect_shape("v", self.matrix("k"), "f16", "the shape of k")
        if rows % cache.requests or rows // cache.requests > cache.room:
            self.fail(f"q has {rows} rows, expected as many for each of {cache.requests} requests, at most {cache.room}")
        self.expect_shape("result", self.matrix("q"), "f16", "the shape of q")


class ActivationOp(FocusOp, name="activation", traits=[Pure]):
    """An elementwise activation function."""
    result: Result[Any]
    x: Operand[Any]
    kind: one_of(*ACTIVATIONS)      # type: ignore[valid-type]

    def check(self) -> None:
        self.expect_shape("result", self.matrix("x"), "f16", "the shape of x")


class Elementwise(FocusOp):
    """Base of ops that combine two matrices element by element, by the function of `v.zip` whose name the op has."""
    if TYPE_CHECKING:
        a: Any
        b: Any
        result: Any

    def check(self) -> None:
        (rows, cols), (b_rows, b_cols) = self.matrix("a"), self.matrix("b")
        if b_cols != cols or rows % b_rows:
            self.fail(f"b has shape {b_rows}x{b_cols}, expected {cols} columns and rows that divide {rows}")
        self.expect_shape("result", (rows, cols), "f16", "the shape of a")


class AddOp(Elementwise, name="add", traits=[Pure]):
    """a + b; b's rows divide a's rows and repeat."""
    result: Result[Any]
    a: Operand[Any]
    b: Operand[Any]


class MulOp(Elementwise, name="mul", traits=[Pure]):
    """a * b; b's rows divide a's rows and repeat."""
    result: Result[Any]
    a: Operand[Any]
    b: Operand[Any]


ELEMENTWISE: tuple[type[Elementwise], ...] = (AddOp, MulOp)


class AddVisualOp(FocusOp, name="add_visual", traits=[Pure]):
    """x with row t of features [V, D] added to the row of visual token t: x [R, D] has the rows of the sequence, or what pruning left of them.

    With `ids`, the visual rows of x are those tokens.  `runs` are the tokens' positions in the sequence, (start, length) each.
    """
    result: Result[Any]
    x: Operand[Any]
    features: Operand[Any]
    runs: I64Array
    ids: Operand[Any] | None = None

    def check(self) -> None:
        (rows, cols), (visual, width), runs = self.matrix("x"), self.matrix("features"), list(self.runs)
        self.expect_shape("result", (rows, cols), "f16", "the shape of x")
        tokens = self.tokens()
        if tokens is not None and runs != list(tokens.runs):
            self.fail(f"attribute 'runs' is {runs}, expected {list(tokens.runs)}, those of the function's token layout")
        if width != cols or len(runs) % 2 or visual != sum(runs[1::2]):
            self.fail(f"features has shape {visual}x{width}, expected {sum(runs[1::2])} rows (lengths of the runs) of {cols} columns")
        retained = visual if self.ids is None else self.vector_length("ids", "i32")
        if not retained <= rows:
            self.fail(f"x has {rows} rows, expected at least the {retained} visual ones")


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
    def build(cls, *inputs: Any, results: ir.Type | Sequence[ir.Type], loc: ir.Location | str | None = None,
              ip: ir.InsertionPoint | None = None, attrs: dict[str, Any] | None = None) -> "ConcatOp":
        """Create the op, as `OpBase.build` does."""
        attributes = {"dim": to_attr(0)} | {k: to_attr(v) for k, v in (attrs or {}).items()}
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
    """Convolution with stride = kernel = `patch`.

    pixels [F, C, H, W] and weight [D, C * patch * patch] to [F * (H // patch) * (W // patch), D]; pixels beyond the last whole patch are not read.
    """
    result: Result[Any]
    pixels: Operand[Any]
    weight: Operand[Any]
    patch: I64
    bias: Operand[Any] | None = None

    def check(self) -> None:
        self.positive("patch")
        frames, channels, height, width = self.shape("pixels", 4)
        depth, taps = self.matrix("weight")
        patch = self.patch
        if taps != channels * patch ** 2:
            self.fail(f"weight has {taps} columns, expected {channels * patch ** 2} ({channels} channels times patch {patch} squared)")
        patches = frames * (height // patch) * (width // patch)
        self.expect_shape("result", (patches, depth), "f16", "patches of all frames by rows of weight")
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
    """Of each retained visual token, the largest softmax probability that any head gives it in any prompt row.

    Prompt rows are the text after the visual tokens: the last rows of q, which may have no others.
    """
    result: Result[Any]
    q: Operand[Any]
    k: Operand[Any]
    ids: Operand[Any]
    heads: I64
    kv_heads: I64
    head_dim: I64
    scale: F64
    cap: F64 = default(0.0, written=False)

    def check(self) -> None:
        rows, kv_rows = self.check_heads()
        count = self.vector_length("ids", "i32")
        self.expect_shape("result", (count,), "f32", "one value for each id")
        if rows > kv_rows or count > kv_rows:
            self.fail(f"has {rows} rows of q, {kv_rows} of k and {count} ids, expected no more rows of q and ids than rows of k")


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
    """Similarity concentration of x [n + T, D] at one site of a layer, of the decoder or of the vision tower (there T = 0).

    Each slice of `vector` elements of each visual row joins its most similar candidate within `block` ([f, h, w] sides) of the same
    m-tile where their cosine similarity exceeds `threshold`; a group's vector is the mean of its members.  `ids` are indices in the grids of the
    function's token layout; in the vision tower in those of `focus.grids`, an i64 array of seven numbers each, and `focus.cells` are the sides of the
    largest picture, then how many rows before a row its neighbour one frame, one row, one column back stands at most.
    """
    result: Result[Any]
    x: Operand[Any]
    ids: Operand[Any]
    layer: I64
    site: one_of(*ALL_SITES)      # type: ignore[valid-type]
    threshold: F64
    block: I64Array
    vector: I64 = default(PUBLISHED_VECTOR)
    m_tile: I64 = default(LARGEST_M_TILE)

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
        if len(self.block) != 3 or any(not 1 <= b <= MAX_BLOCK_SIDE for b in self.block):
            self.fail(f"block must be three sides of 1 to {MAX_BLOCK_SIDE}, but is {self.block}")
        if self.layer < 0:
            self.fail(f"attribute 'layer' must not be negative, but is {self.layer}")
        grids, cells = (get_attr(self, name, []) for name in (GRIDS, CELLS))
        if (self.site in SITES) != (not grids) or len(cells) != (6 if grids else 0):
            self.fail(f"site '{self.site}' has {len(grids)} numbers of '{GRIDS}' and {len(cells)} of '{CELLS}'; expected some and 6 in the vision "
                      "tower, none in the decoder")
        if problem := grids_problem(grids):
            self.fail(problem)
        layout = type_.layout
        if isinstance(layout, LayoutAttr) and layout.block != self.block:
            self.fail(f"layout of result is for block {layout.block}, but the op's block is {self.block}")
        self.tokens()
