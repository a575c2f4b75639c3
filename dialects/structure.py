"""Structural ops of tiled code in the `focus` dialect: kernels, buffers, and the windows, recasts and views through which instructions
reach them.

In: `base.FocusOp`, the attributes of `contracts`.  Out: `KernelOp`, `BufferOp`, `WindowOp`, `StepOp`, `PrefixOp`, `RecastOp`, `ViewOp`; `focus`
exports them together with the tensor-level ops.
"""
from math import prod

from focus.dialects.base import ELEMENT_BYTES, ELEMENT_TYPES, SPACES, FocusOp, dtype_of, space_of, window_type
from focus.dialects.contracts import check_credits, check_waits
from focus.dialects.support import I64, Any, I64Array, Operand, Pure, Region, Result, Sequence, Str, get_attr, ir, one_of

BUFFER_KINDS = ("param", "input", "output", "cache", "temp", "tile")
#: what a buffer is for, where its kind does not say it -> its kind, memory and element type ("" for any)
BUFFER_ROLES = {"token_ids": ("input", "dram", "i32"), "constant": ("param", "dram", ""), "retained": ("output", "dram", "i32"),
                "unique": ("temp", "dram", "f16"), "map": ("temp", "dram", "i16"), "counts": ("tile", "counts", "i16")}
SITE_ROLES = ("unique", "map", "counts")        #: of a concentrated operand, that of site number `site`
#: constants that follow from the token layout, or from their shape -> their element type
CONSTANTS = {"positions": "i32", "rows": "i32", "token_ids": "i32", "zeros": "f32", "identity": "f16"}


class KernelOp(FocusOp, name="kernel", traits=[ir.NoTerminatorTrait]):
    """One computation on memrefs: scf.for loops over tile-level ops; uses the DRAM buffers or the function's arguments around it.

    `name` is the path of the module it computes.  Modules of one form share a routine, a private `func.func` that holds the kernels: then it is
    the path of the first.  Each has a `func.call` of it, at its own location, with its buffers; `focus.site` says what site 0 of the routine is.

    `credits` (array of `#focus.credit`, by schedule): counts of semaphores when the kernel begins.  Whatever an instruction waits for, another one
    signals, or it has credits.  `parts` (by allocate, of machines with a scratchpad): number, first byte and bytes of each memory's banks.
    """
    name: Str
    body: Region

    def check(self) -> None:
        check_credits(self)

    def check_region(self) -> None:
        super().check_region()
        check_waits(self)


class BufferOp(FocusOp, name="buffer"):
    """A buffer: of the model in DRAM ("param", "input", "output", "cache", "temp"), or on chip ("tile") for one iteration of the loop body it
    stands in.  A "cache" outlives the program: for each of `requests` requests `lead` copied rows, `held` of the prefill and `room` for new tokens.

    `name` is a label.  `role` says what a buffer is for beyond its kind.  "token_ids": an input.  "constant": a parameter whose values follow from
    the token layout; `constant` is "positions" (of the leading text rows and of all rows in storage order), "token_ids" or "rows" (0, 1, ...) or
    "zeros", or "identity", a matrix.
    "retained": an output for the trace, the original indices of the visual tokens left.  "unique", "map", "counts": unique vectors, maps and
    numbers of unique vectors of the concentrated operand of number `site` in `focus.sites`.  `port`: the number of an input in `focus.ports`.
    `holds`: "output of <module path>" or "input of <module path>", if an intermediate is just that in the PyTorch model; `lead`: how many rows stand
    before it in the buffer.

    Attributes added later: `slots` (ring slots, by schedule), `address` (bytes, by allocate) and, where others have the same place at other times,
    `lives` (first and last kernel of the program, by allocate).
    """
    result: Result[Any]
    name: Str
    kind: one_of(*BUFFER_KINDS)      # type: ignore[valid-type]

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
        self._check_role(space, dtype_of(type_.element_type))

    def _check_role(self, space: str, dtype: str) -> None:
        role, constant = get_attr(self, "role"), get_attr(self, "constant")
        if role is not None:
            if role not in BUFFER_ROLES:
                self.fail(f"has role {self.attributes['role']}, expected one of {', '.join(BUFFER_ROLES)}")
            kind, memory, element = BUFFER_ROLES[role]
            if (self.kind, space) != (kind, memory) or (element and dtype != element):
                self.fail(f"of role \"{role}\" must be of kind \"{kind}\" in {memory} with elements of {element or 'any type'}, but is of kind "
                          f"\"{self.kind}\" in {space} with elements of {dtype}")
        if (role == "constant") != (constant is not None) or (constant is not None and CONSTANTS.get(constant) != dtype):
            wanted = " or ".join(f'"{name}" of {element}' for name, element in CONSTANTS.items())
            self.fail(f"has constant {self._said('constant')} of {dtype} and role {self._said('role')}; expected {wanted} with role \"constant\"")
        self._check_number("site", role in SITE_ROLES, f"roles {', '.join(SITE_ROLES)}")
        holds = get_attr(self, "holds")
        if holds is not None and (self.kind != "temp" or not isinstance(holds, str) or not holds.startswith(("output of ", "input of "))):
            self.fail(f"of kind \"{self.kind}\" holds {self._said('holds')}; \"output of ...\" or \"input of ...\" expected, of an intermediate")
        self._check_number("lead", holds is not None or self.kind == "cache", "holds or kind \"cache\"", needed=False)
        for name in ("requests", "held", "room"):
            self._check_number(name, self.kind == "cache", "kind \"cache\"")
        self._check_number("port", self.kind == "input", "kind \"input\"", needed=False)

    def _check_number(self, name: str, belongs: bool, where: str, needed: bool = True) -> None:
        """An attribute that is a number from 0 on where it belongs, and missing elsewhere."""
        value = get_attr(self, name)
        right = isinstance(value, int) and value >= 0 if belongs else value is None
        if not right and (needed or value is not None):
            self.fail(f"has {name} {self._said(name)}, expected a number from 0 on with {where} and none otherwise")

    def _said(self, name: str) -> str:
        return str(self.attributes[name]) if name in self.attributes else "none"


class WindowOp(FocusOp, name="window", traits=[Pure]):
    """The box of `sizes` at `indices` of a memref, clipped to the memref's bounds: near its end, fewer rows or columns are there."""
    result: Result[Any]
    base: Operand[Any]
    sizes: I64Array
    indices: Sequence[Operand[Any]]

    @classmethod
    def build(cls, *operands: Any, sizes: Sequence[int] = (), results: Any = None, **named: Any) -> "WindowOp":
        """The op on a base and its indices; its result type follows from the base's type and `sizes` unless given."""
        base, *indices = operands
        base = base if isinstance(base, ir.Value) else base.operation.result
        return super().build(base, *indices, sizes=sizes, results=results or [window_type(base.type, sizes)], **named)

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


class StepOp(FocusOp, name="step", traits=[Pure]):
    """The number in the step register, which the host writes before a run: 0 to `most` - 1."""
    result: Result[Any]
    most: I64

    def check(self) -> None:
        self.positive("most")
        if not isinstance(self.result.type, ir.IndexType):
            self.fail(f"result must have type index, but has {self.result.type}")


class PrefixOp(FocusOp, name="prefix", traits=[Pure]):
    """The first `count` rows of a memref (columns where `axis` is 1), as many as the step says; what comes after them is clipped."""
    result: Result[Any]
    base: Operand[Any]
    count: Operand[Any]
    axis: I64

    def check(self) -> None:
        if not isinstance(self.base.type, ir.MemRefType) or self.base.type.rank != 2 or self.result.type != self.base.type:
            self.fail(f"result is {self.result.type}, expected a rank-2 memref and the type of base, which is {self.base.type}")
        if not isinstance(self.count.type, ir.IndexType) or self.axis not in (0, 1):
            self.fail(f"has count of type {self.count.type} along axis {self.axis}, expected an index along axis 0 or 1")


class _Alias(FocusOp):
    """What ops check that give the same memory another type."""

    def memrefs(self) -> tuple[ir.MemRefType, ir.MemRefType]:
        """Types of base and result, which must be static and of rank 2."""
        for name in ("base", "result"):
            type_ = getattr(self, name).type
            if not isinstance(type_, ir.MemRefType) or type_.rank != 2 or not type_.has_static_shape:
                self.fail(f"{name} must be a static rank-2 memref, but is {type_}")
        return self.base.type, self.result.type


class RecastOp(_Alias, name="recast", traits=[Pure]):
    """The same rows at the same addresses and byte pitch, as elements of a narrower type: how results replace accumulators in place."""
    result: Result[Any]
    base: Operand[Any]

    def check(self) -> None:
        base, result = self.memrefs()
        wide, narrow = (ELEMENT_BYTES.get(dtype_of(t.element_type), 0) for t in (base, result))
        if not narrow or wide < narrow:
            self.fail(f"result has elements of {dtype_of(result.element_type)}, "
                      f"expected a type no wider than {dtype_of(base.element_type)}")
        if list(base.shape) != list(result.shape) or base.memory_space != result.memory_space:
            self.fail(f"result is {result}, expected shape and memory of base, which is {base}")
        pitch = base.get_strides_and_offset()[0][0] * wide // narrow
        if result.get_strides_and_offset()[0] != [pitch, 1]:
            self.fail(f"result has strides {result.get_strides_and_offset()[0]}, expected {[pitch, 1]} (the byte pitch of base)")


class ViewOp(_Alias, name="view", traits=[Pure]):
    """The same contiguous elements in row-major order under another rank-2 shape; the base is a whole buffer or (part of) one row."""
    result: Result[Any]
    base: Operand[Any]

    def check(self) -> None:
        base, result = self.memrefs()
        if prod(base.shape) != prod(result.shape) or base.element_type != result.element_type or base.memory_space != result.memory_space:
            self.fail(f"result is {result}, expected as many elements of the same type and memory as base, which is {base}")
        if base.shape[0] != 1 and base.get_strides_and_offset()[0] != [base.shape[1], 1]:
            self.fail(f"base is {base}, whose rows are not contiguous")
        if result.get_strides_and_offset()[0] != [result.shape[1], 1]:
            self.fail(f"result has strides {result.get_strides_and_offset()[0]}, expected {[result.shape[1], 1]}")
