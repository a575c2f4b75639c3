"""The `focus` dialect itself: its attributes, its types, helpers to make and read them, and the base class of its ops.

In: `support.OpBase`, the ISA's memories and element types.  Out: `Focus`, `TokensAttr`, `LayoutAttr`, `SpaceAttr`, `ConcentratedType`,
`FocusOp`; `focus` exports them together with the ops.
"""
from dataclasses import dataclass
from functools import cache
from itertools import product
from typing import TYPE_CHECKING, TypeVar

from focus.dialects import mapping
from focus.dialects.support import I64, Any, Dialect, FocusError, I64Array, OpBase, OpError, Sequence, Str, get_attr, ir, to_python
from focus.runtime.spec import isa, types
from focus.runtime.spec.grids import GridNumbers
from focus.runtime.spec.sites import LARGEST_M_TILE, PUBLISHED_VECTOR

SPACES = tuple(s.name.lower() for s in isa.Space)
#: element types as MLIR spells them, and the bytes of an element by that spelling
ELEMENT_TYPES = {dtype: e.mlir for dtype, e in types.ELEMENTS.items()}
ELEMENT_BYTES = types.MLIR_BYTES
DYNAMIC = ir.ShapedType.get_dynamic_stride_or_offset()


class Focus(Dialect, name="focus"):
    """Vision-language models on the way to the Focus accelerator: tensor level, concentrated, tiled."""


if TYPE_CHECKING:
    from focus.dialects.support import Parametric as Attribute, Parametric as Type
else:
    Attribute, Type = Focus.Attribute, Focus.Type
Parametric = TypeVar("Parametric", bound=type[Attribute])


# ---- attributes and types ----------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class FlatGrid(GridNumbers):
    """A grid as seven numbers."""
    first: int
    frames: int
    height: int
    width: int
    frame_stride: int
    height_stride: int
    width_stride: int


def grids_of(flat: Sequence[int]) -> list[FlatGrid]:
    """The grids of a flat list of seven numbers each."""
    return [FlatGrid(*flat[i:i + 7]) for i in range(0, len(flat), 7)]


def python_parameters(cls: Parametric) -> Parametric:
    """Class decorator: the parameters of an attribute or type read as Python values."""
    for i, f in enumerate(cls._fields):
        setattr(cls, f.name, _parameter(i))
    return cls


def _parameter(i: int) -> property:
    return property(lambda self: to_python(self.params[i].maybe_downcast()))


@python_parameters
class TokensAttr(Attribute, name="tokens"):
    """Where a request's visual tokens stand.  On the function as `focus.tokens`.

    `visual` (also `V`) tokens in a sequence of `length` (also `S`).  `runs` is [start, length, ...]: runs of visual tokens by position in
    the sequence, ascending.  `grids` is seven numbers per grid (see `FlatGrid`), ascending by `first`; candidates of a token never cross grids.
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
    def grid_list(self) -> list[FlatGrid]:
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


@cache
def _tokens_problem(V: int, S: int, runs: tuple[int, ...], grids: tuple[int, ...]) -> str | None:
    if V < 0 or S < V:
        return f"token layout has {V} visual tokens in a sequence of {S}"
    if len(runs) % 2 or len(grids) % 7:
        return "token layout expects two numbers per run and seven per grid"
    end = 0
    for start, length in zip(runs[::2], runs[1::2]):
        if start < end or length < 1 or start + length > S:
            return f"token layout has a run of {length} at position {start}; expected ascending runs within {S} positions"
        end = start + length
    if sum(runs[1::2]) != V:
        return f"token layout has runs of {sum(runs[1::2])} visual tokens, expected {V}"
    return grids_problem(grids, V)


def grids_problem(flat: Sequence[int], V: int | None = None) -> str | None:
    """What is wrong with the extents of grids that should cover `V` visual tokens (None: as many as the grids say)."""
    grids = grids_of(flat)
    if V and not grids:
        return f"token layout has no grid for its {V} visual tokens"
    expected = 0
    for i, g in enumerate(grids):
        if min(g.sides) < 1 or any(s < 1 for n, s in zip(g.sides, g.strides) if n > 1):
            return f"grid {i} has sides {g.sides} and strides {g.strides}; expected positive numbers"
        if g.first < expected or (i == 0 and g.first):
            return f"grid {i} starts at visual token {g.first}, expected {f'{expected} or more' if i else 0}"
        expected = g.last + 1
    if V is not None and expected > V:
        return f"grid {len(grids) - 1} ends at visual token {expected - 1}, but there are {V} visual tokens"
    return None


@python_parameters
class LayoutAttr(Attribute, name="layout"):
    """Convolution-style order of the layouter: visual token (f, h, w) lives in bank (f % banks[0], h % banks[1], w % banks[2]).

    So all members of a `block` window (a token and its candidates) are read in one cycle.  `capacity` is the number of vectors the
    layouter holds in all banks together.  The verifier of the op that uses the layout proves, window by window, that no two members share
    a bank.
    """
    banks: I64Array
    block: I64Array
    capacity: I64
    grids: I64Array

    @classmethod
    def make(cls, grids: Sequence[int], block: Sequence[int] = (2, 2, 2), banks: Sequence[int] = (2, 2, 2),
             capacity: int = 256) -> "LayoutAttr":
        """The attribute of Python values; the default capacity is that of 8 banks of 32 vectors."""
        return cls.get(I64Array.wrap(banks), I64Array.wrap(block), I64.wrap(capacity), I64Array.wrap(grids))

    @property
    def problem(self) -> str | None:
        """Why the layout does not work, or None: proven once for each distinct layout."""
        return layout_problem(tuple(self.banks), tuple(self.block), self.capacity, tuple(self.grids))


@cache
def layout_problem(banks: tuple[int, ...], block: tuple[int, ...], capacity: int, grids: tuple[int, ...]) -> str | None:
    """Why a layout does not work, or None.

    Names the first grid with a bank conflict, and two tokens that collide; or the first whose window history does not fit.
    """
    if len(banks) != 3 or len(block) != 3 or min(banks + block) < 1 or max(block) > isa.MAX_BLOCK_SIDE:
        return (f"layout has banks {list(banks)} and block {list(block)}; expected three positive numbers each, those of the block at most "
                f"{isa.MAX_BLOCK_SIDE}")
    problem = grids_problem(grids, None) if len(grids) % 7 == 0 else "layout expects seven numbers per grid"
    if problem:
        return problem
    for i, g in enumerate(grids_of(grids)):
        problem = _bank_conflict(g, banks, block)
        if problem:
            return f"grid {i}: {problem}"
        history = sum((b - 1) * s for n, s, b in zip(g.sides, g.strides, block) if n > 1)
        if history > capacity:
            return (f"grid {i}: a window reaches {history} tokens back, but the layouter holds {capacity} vectors; a block of fewer frames or rows "
                    "needs less")
    return None


def _bank_conflict(g: FlatGrid, banks: tuple[int, ...], block: tuple[int, ...]) -> str | None:
    """Two tokens of one window in the same bank, or None.

    Every visual index of the grid has a window, indices between grid rows (newline tokens) included.  Members that index arithmetic finds
    across an edge of the grid belong to no window.
    """
    members = [d for d in product(*(range(b) for b in block)) if all(o == 0 or n > 1 for o, n in zip(d, g.sides))]
    for i, a in enumerate(members):
        for b in members[:i]:
            if any((x - y) % size for x, y, size in zip(a, b, banks)):
                continue
            # They share a bank in every window that has both.  The first token with both is the one that lies just far enough from each edge.
            corner = tuple(map(max, a, b))
            t = g.first + g.offset(*corner)
            if t <= g.last and _place(g, t) == corner:
                one, other = t - g.offset(*b), t - g.offset(*a)
                bank = tuple((x - y) % size for x, y, size in zip(corner, a, banks))
                return f"visual tokens {one} and {other} of the window at token {t} both lie in bank {bank}"
    return None


def _place(g: FlatGrid, token: int) -> tuple[int, ...]:
    """Frame, row and column of a visual index by index arithmetic, the axis of the largest stride first; a newline stands behind its row."""
    place, rest = [0, 0, 0], token - g.first
    for axis in sorted(range(3), key=lambda a: (-g.strides[a], a)):
        if g.sides[axis] > 1:
            place[axis], rest = divmod(rest, g.strides[axis])
    return tuple(place)


class SpaceAttr(Attribute, name="space"):
    """Memory space of a memref: `#focus.space<"input">`; the names are those of `isa.Space` in lower case."""
    space: Str

    @classmethod
    def make(cls, name: str) -> "SpaceAttr":
        return cls.get(ir.StringAttr.get(name))

    @property
    def name_str(self) -> str:
        return self.params[0].maybe_downcast().value


class MappingAttr(Attribute, name="mapping"):
    """How an op is mapped onto the machine; on the op as `focus.mapping`.  Its fields are those of `focus.dialects.mapping`.

    `form` names the form of the op ("dense", "expand", ...), `kernels` lists a dictionary for each kernel, in the order of emission.
    """
    form: Str
    kernels: Any

    @classmethod
    def make(cls, value: mapping.Mapping) -> "MappingAttr":
        return cls.get(*value.attribute())

    @property
    def value(self) -> mapping.Mapping:
        """The mapping.  Raises FocusError where a field is missing, unknown or of the wrong type."""
        return mapping.decode(*(p.maybe_downcast() for p in self.params))


def mapping_of(op: Any) -> mapping.Mapping | None:
    """The mapping on an op; None where it has none.  Raises OpError where the attribute is none."""
    attributes = op.operation.attributes
    if mapping.MAPPING not in attributes:
        return None
    attr = attributes[mapping.MAPPING]
    try:
        return attr.maybe_downcast().value
    except (FocusError, AttributeError) as e:
        raise OpError(op, str(e) if isinstance(e, FocusError) else f"'{mapping.MAPPING}' must be #focus.mapping, but is {attr}") from None


@python_parameters
class ConcentratedType(Type, name="concentrated"):
    """A concentrated activation: for each m-tile and slice its unique vectors, their number and the map from rows to them.

    It stands for `rows` rows of `width` elements, of which the first `visual` (in storage order) are visual tokens; `vector` elements a
    slice, `m_tile` visual rows per tile; `layout` is a `#focus.layout`, or unit before assign-layout.
    """
    rows: I64
    width: I64
    visual: I64
    vector: I64
    m_tile: I64
    layout: Any

    @classmethod
    def make(cls, rows: int, width: int, visual: int, vector: int = PUBLISHED_VECTOR, m_tile: int = LARGEST_M_TILE,
             layout: ir.Attribute | None = None) -> "ConcentratedType":
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

    def _check_structure(self) -> None:
        super()._check_structure()
        if mapping.MAPPING in self.operation.attributes:
            try:
                mapping_of(self)
            except OpError as e:
                self.fail(e.message if hasattr(e, "message") else str(e))

    def shape(self, name: str, rank: int, dtype: str = "f16") -> list[int]:
        """Shape of a tensor operand or result, which must have this rank and element type and be static."""
        type_ = getattr(self, name).type
        static = isinstance(type_, ir.RankedTensorType) and type_.has_static_shape
        if static and type_.rank == rank and dtype_of(type_.element_type) == dtype:
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
            self.fail(f"{name} has {type_.visual} visual rows of {type_.rows}, width {type_.width}, vector {type_.vector}, "
                      f"m-tile {type_.m_tile}; expected positive sizes and no more visual rows than rows")
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
            self.fail(f"{name} has shape {by(have)}, expected {by(wanted)} ({why})")

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


def by(shape: Sequence[int]) -> str:
    """A shape as in a type: "4x8"."""
    return "x".join(map(str, shape))
