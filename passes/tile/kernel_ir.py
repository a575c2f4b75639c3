"""Reading tile-level IR: the loops, instructions and buffers of a kernel as Python records.

In: a `focus.kernel` op.  Out: `Kernel`: its instructions in program order, each with the loops around it, and its on-chip buffers; what a
function runs (`steps_of`): kernels of its own and calls of functions that hold some.
Used by schedule, allocate and lower-to-fisa, which all need the same picture.
"""
from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from torch_mlir import ir

from focus.dialects import focus as fd
from focus.dialects.support import OpError, get_attr
from focus.dialects.tile_ops import TILE_OPS
from focus.runtime.spec import isa

_CLASSES = {cls.OPERATION_NAME: cls for cls in TILE_OPS.values()}
#: mnemonic -> memory operands that an instruction must have, and those it may have
_MEMS = {m: ([f for f in i.mems if not f.optional], [f for f in i.mems if f.optional]) for m, i in isa.TABLE.items()}
DERIVED = ("focus.window", "focus.recast", "focus.view", "focus.prefix")


@dataclass(eq=False)
class LoopRecord:
    """An scf.for: its nesting level in the kernel (0 is outermost) and op."""
    level: int
    op: ir.Operation


@dataclass(eq=False)
class Instr:
    """A tile-level op: its instruction, the loops around it, and its memory operands (field, value)."""
    op: ir.OpView
    entry: isa.Instruction
    loops: tuple[LoopRecord, ...]
    mems: list[tuple[isa.Field, ir.Value]]


@dataclass(eq=False)
class BufferRecord:
    """An on-chip buffer declared in the kernel; it lives for one iteration of the innermost of `loops`."""
    op: ir.OpView
    name: str
    space: str
    bytes: int
    loops: tuple[LoopRecord, ...]
    users: list[Instr] = field(default_factory=list)


@dataclass
class Kernel:
    op: ir.OpView
    instrs: list[Instr] = field(default_factory=list)
    buffers: dict = field(default_factory=dict)         #: result value of a focus.buffer -> BufferRecord
    root: dict = field(default_factory=dict)            #: memref value -> the focus.buffer result or function argument it is (a window of)
    outside: set = field(default_factory=set)           #: roots that are declared outside the kernel


def read_kernel(op: ir.OpView) -> Kernel:
    """The records of a kernel.  Raises OpError for an op that has no place in one, or loops nested too deep."""
    kernel = Kernel(op)
    _read_block(kernel, op.regions[0].blocks[0], ())
    for instr in kernel.instrs:
        for _, value in instr.mems:
            root = root_of(value, kernel.op, kernel.root)
            if root in kernel.buffers:
                users = kernel.buffers[root].users
                if not users or users[-1] is not instr:
                    users.append(instr)
            else:
                kernel.outside.add(root)
    return kernel


def _read_block(kernel: Kernel, block: ir.Block, loops: tuple[LoopRecord, ...]) -> None:
    for view in block.operations:
        op = view.operation
        name = op.name
        cls = _CLASSES.get(name)
        if cls is not None:
            kernel.instrs.append(Instr(view, cls.INSTRUCTION, loops, memory_operands(view, cls.INSTRUCTION)))
        elif name == "scf.for":
            if len(loops) == isa.MAX_LOOPS:
                raise OpError(view, f"is nested {len(loops) + 1} deep, the control unit has {isa.MAX_LOOPS} loop levels")
            _read_block(kernel, op.regions[0].blocks[0], loops + (LoopRecord(len(loops), op),))
        elif name == "focus.buffer":
            kernel.buffers[op.result] = BufferRecord(view, view.name, fd.space_of(op.result), buffer_bytes(op.result.type), loops)
            kernel.root[op.result] = op.result
        elif name in DERIVED:
            kernel.root[op.result] = root_of(op.operands[0], view, kernel.root)
        elif not name.startswith("arith.") and name not in ("scf.yield", "focus.step"):
            raise OpError(view, "has no place in a kernel: expected loops, buffers, windows and tile-level instructions")


def memory_operands(view: ir.OpView, entry: isa.Instruction) -> list[tuple[isa.Field, ir.Value]]:
    """(field, value) of the memory operands that are present: required ones in table order, then optional ones."""
    operation = view.operation
    operands = list(operation.operands)
    required, optional = _MEMS[entry.mnemonic]
    pairs = list(zip(required, operands))
    if optional:
        attributes, extra = operation.attributes, len(operands) - len(required)
        present = [int(extra == len(optional))] * len(optional)         # may be left out where there are all or none
        if "operandSegmentSizes" in attributes:
            present = list(ir.DenseI32ArrayAttr(attributes["operandSegmentSizes"]))[len(required):]
        pairs += zip([f for f, n in zip(optional, present) if n], operands[len(required):])
    return pairs


def root_of(value: ir.Value, user: ir.OpView, known: Mapping[ir.Value, ir.Value] = MappingProxyType({})) -> ir.Value:
    """The buffer or function argument a memref is a window, recast or view of.  Raises OpError at `user` where it is none."""
    root = known.get(value)
    while root is None:
        owner = producer(value)
        name = value.owner.owner.operation.name if owner is None else owner.name
        if name in ("focus.buffer", "func.func"):
            root = value
        elif name in DERIVED:
            value = owner.operands[0]
            root = known.get(value)
        else:
            raise OpError(user, "uses a memref that no focus.buffer declares")
    return root


def buffer_bytes(type_: ir.MemRefType) -> int:
    """Bytes of a static row-major memref."""
    n = fd.ELEMENT_BYTES[fd.dtype_of(type_.element_type)]
    for extent in type_.shape:
        n *= extent
    return n


def producer(value: ir.Value) -> Any:
    """The `ir.Operation` that makes a value (the attribute `name` of some op views would hide the op's name); None for a block argument."""
    owner = value.owner
    return None if isinstance(owner, ir.Block) else owner.operation


def kernels_of(func: ir.OpView) -> list[ir.OpView]:
    return [op for op in func.regions[0].blocks[0].operations if op.operation.name == "focus.kernel"]


def steps_of(func: ir.OpView) -> list[ir.OpView]:
    """What a function runs, in order: its kernels and its calls."""
    return [op for op in func.regions[0].blocks[0].operations if op.operation.name in ("focus.kernel", "func.call")]


def is_routine(func: ir.OpView) -> bool:
    """Whether a function is a routine: private, on memrefs that its callers give."""
    return get_attr(func, "sym_visibility") == "private"
