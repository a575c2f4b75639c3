"""Tile-level ops of the `focus` dialect: one op for each instruction of the ISA table that a unit executes.

In: `isa.TABLE`.  Out: `TILE_OPS` (instruction mnemonic -> op class) and the classes as module attributes (`LoadOp`, `MmKnOp`, `VMapOp`,
...).

An op `focus.<ident>` has, in the table's order: its memory fields as memref operands (required ones, then optional ones), and as
attributes its enumeration fields (lower-case name), number fields (i64), scalar registers (f64 value, under the field's name) and `init`
("first": initialise at the first touch within the lifetime of the buffer written; "inner": in first iterations of the innermost loop; "never";
"always").  Extents follow from the operands' shapes; those that no shape gives (`identity`) are i64 attributes.  The DMA gather is
`focus.load_rows`, as `focus.gather` is the concentration of a tensor.

    LoadOp.build(src, dst, stream="activation")          MmOp.build(src, wgt, dst, init="first", count=n)
    SicGatherOp.build(src, table, count, identity=4, site=0, ids=ids, map=map)      # required operands first, optional ones by name
"""
from types import new_class
from typing import TYPE_CHECKING, Any, NamedTuple

from focus.dialects.base import ELEMENT_TYPES, FocusOp, dtype_of, space_of
from focus.dialects.contracts import check_sync
from focus.dialects.support import F64, I64, Operand, default, ir, one_of
from focus.runtime.spec import isa
from focus.runtime.spec.geometry import SIDES

INITS = ("first", "never", "always", "inner")
#: tensor-level focus.gather is the similarity concentrator's, so the DMA gather has a name of its own
RENAMED = {"gather": "load_rows"}

class OperandShape(NamedTuple):
    """What verifiers need to know of a memref operand."""
    rows: int
    cols: int
    dtype: str
    space: str

    @property
    def shape(self) -> tuple[int, int]:
        return self.rows, self.cols


class TileOp(FocusOp):
    """Base of the tile-level ops; `INSTRUCTION` is the table's entry."""
    if TYPE_CHECKING:           # annotations that Python executes are fields of the op
        INSTRUCTION: isa.Instruction
        _MEMS: dict[str, isa.Field]
        _EXTENTS: dict[str, tuple[str, int]]
        _DERIVED: dict[str, isa.Derived]
        _BOUNDED: list[str]
        _ALLOWED: dict[str, tuple[str, ...]]

    @property
    def memrefs(self) -> dict[str, ir.Value]:
        """The memory operands that are present, by field name, in operand order."""
        operands = list(self.operands)
        names = []
        for group, size in zip(self._operands.groups, self._operands.sizes(self, len(operands))):
            if size:
                names.append(group.name)
        return dict(zip(names, operands))

    def check(self) -> None:
        tiles = {name: self._tile(name, value.type) for name, value in self.memrefs.items()}
        extents = self._extents(tiles)
        names = extents | self._derived(extents)
        fields = self._MEMS
        for name, tile in tiles.items():
            f = fields[name]
            # "" where data decides, as in a table of any number of rows
            if f.rows != "" and tile.rows != _size(f.rows, names):
                self._wrong_extent(name, tile.rows, "row", f.rows, names)
            if f.cols != "" and tile.cols != _size(f.cols, names):
                self._wrong_extent(name, tile.cols, "column", f.cols, names)
        for name in self._BOUNDED:      # by the machine, which is not known here; no machine has more
            if extents[name] > SIDES[-1]:
                self.fail(f"extent '{name}' is {extents[name]}, expected at most {SIDES[-1]}")
        self._check_spaces(tiles)
        check_sync(self)

    def _tile(self, name: str, type_: ir.Type) -> OperandShape:
        """Shape, element type and memory of an operand, checked for what every operand must be."""
        space = space_of(type_)
        if not space or type_.rank != 2 or not type_.has_static_shape:
            self.fail(f"operand '{name}' must be a static rank-2 memref in a #focus.space, but is {type_}")
        dtype, allowed = dtype_of(type_.element_type), self._ALLOWED[name]
        if dtype not in allowed:
            self.fail(f"operand '{name}' has elements of {dtype}, expected {' or '.join(allowed)}")
        stride = type_.get_strides_and_offset()[0][1]
        if stride != 1:
            self.fail(f"operand '{name}' has column stride {stride}, expected 1")
        rows, cols = type_.shape
        return OperandShape(rows, cols, dtype, space)

    def _extents(self, tiles: dict[str, OperandShape]) -> dict[str, int]:
        """The value of each extent field, from shapes and attributes.  An extent of an absent operand is 0."""
        out = {}
        for name, (source, axis) in self._EXTENTS.items():
            if source == name:
                out[name] = I64.unwrap(self.attributes[name])
            else:
                out[name] = tiles[source].shape[axis] if source in tiles else 0
        return out

    def _wrong_extent(self, name: str, have: int, noun: str, extent: str | int, names: dict[str, int]) -> None:
        self.fail(f"operand '{name}' has {have} {noun}{'' if have == 1 else 's'}, expected {_size(extent, names)}{self._source(extent)}")

    def _derived(self, extents: dict[str, int]) -> dict[str, int]:
        """Rows and columns that operands have without an extent of their own."""
        out = {}
        for name, d in self._DERIVED.items():
            case = next((n for value, n in d.cases.items() if value.name.lower() == getattr(self, d.by)), None)
            out[name] = sum(extents[part] for part in d.parts) if case is None else case
        return out

    def _source(self, extent: str | int) -> str:
        """Where an expected extent comes from, for messages."""
        if isinstance(extent, int):
            return ""
        if extent in self._EXTENTS:
            name, axis = self._EXTENTS[extent]
            return f" (attribute '{name}')" if name == extent else f" ({('rows', 'columns')[axis]} of '{name}')"
        return f" ({isa.DERIVED[extent].doc})" if extent in isa.DERIVED else ""

    def _check_spaces(self, tiles: dict[str, OperandShape]) -> None:
        for name, tile in tiles.items():
            where = self._MEMS[name].where
            if (where == isa.Where.DRAM) != (tile.space == "dram") or (where == isa.Where.COUNTS and tile.space != "counts"):
                wanted = {isa.Where.DRAM: "dram", isa.Where.COUNTS: "counts"}.get(where, "an on-chip memory")
                self.fail(f"operand '{name}' is in {tile.space}, expected {wanted}")
            if where == isa.Where.CHIP and tile.space == "counts" and "w" in self._MEMS[name].access:
                self.fail(f"operand '{name}' is in counts, where only counts of vectors are written")
        if self.INSTRUCTION.moves and tiles["src"].dtype != tiles["dst"].dtype:
            self.fail(f"operand 'dst' has elements of {tiles['dst'].dtype}, expected {tiles['src'].dtype} as src; a DMA does not convert")
        if "identity" in self._kinds and self.identity < 0:
            self.fail(f"attribute 'identity' must not be negative, but is {self.identity}")


def _size(extent: str | int, names: dict[str, int]) -> int:
    """Rows or columns that the table gives by a number, or by the name of an extent."""
    return names[extent] if isinstance(extent, str) else extent


def _effects(instruction: isa.Instruction) -> type:
    """The trait that tells MLIR which operands an op reads and writes."""
    access = {f.name: f.access for f in instruction.mems}

    class Effects(ir.MemoryEffectsOpInterface):
        @staticmethod
        def get_effects(op: Any, effects: Any) -> None:
            view, at = op.opview, 0
            operands = op.op_operands
            for group, size in zip(view._operands.groups, view._operands.sizes(op, len(op.operands))):
                for i in range(at, at + size):
                    if "r" in access[group.name]:
                        effects.append(ir.MemoryEffect.Read, operands[i])
                    if "w" in access[group.name]:
                        effects.append(ir.MemoryEffect.Write, operands[i])
                at += size

    class Trait:
        @staticmethod
        def attach(op_name: str) -> None:
            Effects.attach(op_name)
    return Trait


def _kind(f: isa.Field) -> type | None:
    """Attribute kind of a field; None when it is an operand or an extent that a shape gives."""
    if f.kind == "enum":
        return one_of(*(e.name.lower() for e in isa.ENUMS[f.enum]))
    if f.kind == "init":
        return one_of(*INITS)
    if f.kind == "ext":
        return I64 if f.of is not None and f.of[0] == f.name else None
    return {"uint": I64, "sint": I64, "scalar": F64}.get(f.kind)


def _make(instruction: isa.Instruction) -> type[TileOp]:
    """The op class of one instruction."""
    annotations: dict[str, Any] = {f.name: Operand[Any] for f in instruction.mems if not f.optional}
    body: dict[str, Any] = {}
    for f in instruction.fields:
        kind = _kind(f)
        if kind is not None:
            annotations[f.name] = kind
        if instruction.mnemonic == "v.map" and kind is F64:
            body[f.name] = default(1.0)         # only "scale" and "tanh" read it
    for f in instruction.mems:
        if f.optional:
            annotations[f.name], body[f.name] = Operand[Any] | None, None
    name = RENAMED.get(instruction.mnemonic, instruction.ident)
    class_name = "".join(part.capitalize() for part in name.split("_")) + "Op"
    body |= {"__annotations__": annotations, "__doc__": f"{instruction.doc}\n\n{instruction.semantics}", "__module__": __name__}
    cls: type[TileOp] = new_class(class_name, (TileOp,), {"name": name, "traits": [_effects(instruction)]}, lambda space: space.update(body))
    cls.INSTRUCTION = instruction
    cls._MEMS = {f.name: f for f in instruction.mems}
    cls._EXTENTS = {f.name: f.of for f in instruction.fields if f.kind == "ext" and f.of is not None}
    cls._DERIVED = {side: isa.DERIVED[side] for f in instruction.mems for side in (f.rows, f.cols) if isinstance(side, str) and side in isa.DERIVED}
    cls._BOUNDED = [f.name for f in instruction.fields if f.most != isa.Most.NONE]
    cls._ALLOWED = {f.name: tuple(ELEMENT_TYPES[t] for t in f.types) for f in instruction.mems}
    return cls


TILE_OPS: dict[str, type[TileOp]] = {m: _make(i) for m, i in isa.TABLE.items() if i.unit != isa.Unit.CTRL}
globals().update({cls.__name__: cls for cls in TILE_OPS.values()})
