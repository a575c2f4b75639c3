"""lower-to-fisa: from scheduled, placed kernels to straight lists of instructions.

In: kernels with `slots`, `address`, `wait`, `signal` and `credits`.  Out: in place of each routine (a private
function) a `fisa.routine`; in any other function one `fisa.program` in place of its kernels and calls.  DRAM buffers and attributes stay.

Each memory operand becomes an address generator, each extent an extent generator, set up before the outermost loop that uses them; equal ones are
shared.  An extent is what the operands agree on: windows near the end of their base are clipped, and a buffer is as large as what was last
written to it.  Kernels do not overlap: at the end of each, every unit it used reports to the control unit, which waits for them and gives up
what the kernel left on chip.
"""
from __future__ import annotations

import struct
from typing import NamedTuple

from torch_mlir import ir

from focus.dialects import fisa, focus as fd
from focus.dialects.support import OpError, get_attr, path_of
from focus.passes.capacity import aligned
from focus.passes.manager import register_pass
from focus.passes.tile.kernel_ir import Instr, Kernel, LoopRecord, is_routine, kernels_of, producer, read_kernel, steps_of
from focus.runtime.spec import isa
from focus.runtime.spec.types import BY_MLIR

DRAIN = isa.NUM_SEMAPHORES          #: the semaphore with which units report the end of a kernel
STEP = isa.MAX_LOOPS                #: in an index, the level of the step register: one after those of loops


@register_pass("lower-to-fisa", level="kernels")
def lower_to_fisa(module):
    """Turn kernels into instructions."""
    functions = [op for op in module.regions[0].blocks[0].operations if op.operation.name == "func.func"]
    routines = {get_attr(f, "sym_name"): f for f in functions if is_routine(f)}
    control = _Control()
    for name, func in routines.items():
        with ir.InsertionPoint(func), func.location:
            _lower_routine(name, func, control)
    for func in functions:
        if not is_routine(func):
            _lower_program(func, routines, control)
    for func in routines.values():
        func.operation.erase()


def _lower_routine(name: str, func: ir.OpView, control: _Control) -> None:
    """A `fisa.routine` of a function's kernels at the insertion point.  It relies on nothing that ran before it."""
    routine = fisa.RoutineOp.build(sym_name=name, arguments=len(func.arguments))
    control.forget()
    with ir.InsertionPoint(routine.block):
        for op in steps_of(func):
            if op.operation.name == "func.call":
                raise OpError(op, f"stands in the routine '@{name}'; only a function that is not private calls")
            _Lowering(read_kernel(op), control).run()


def _lower_program(func: ir.OpView, routines: dict[str, ir.OpView], control: _Control) -> None:
    """A `fisa.program` in place of a function's kernels and calls."""
    if len(func.arguments):
        raise OpError(func, "has arguments, expected buffers of its own (only a private function is a routine, which others call)")
    block = func.regions[0].blocks[0]
    tokens, steps = get_attr(func, "focus.tokens"), steps_of(func)
    control.reset()
    with ir.InsertionPoint(block.operations[len(block.operations) - 1].operation), ir.Location.name("program"):
        program = fisa.ProgramOp.build()
    with ir.InsertionPoint(program.block), ir.Location.name("program"):
        for op in steps:
            kernels = _called(op, routines) if op.operation.name == "func.call" else [op]
            with ir.Location.name(path_of(op) or get_attr(op, "name", "program")):
                for kernel in kernels:
                    control.configure(kernel, tokens.grid_list if tokens is not None else [])
                if op.operation.name == "func.call":
                    _call(op, kernels, control)
                else:
                    _Lowering(read_kernel(op), control).run()
        fisa.instruction("halt", {})
    for op in reversed(steps):
        op.operation.erase()


def _called(call: ir.OpView, routines: dict[str, ir.OpView]) -> list[ir.OpView]:
    """The kernels of the routine that a call names."""
    if call.callee.value not in routines:
        raise OpError(call, f"calls '@{call.callee.value}', expected a routine (a private function)")
    return kernels_of(routines[call.callee.value])


def _call(call: ir.OpView, kernels: list[ir.OpView], control: _Control) -> None:
    """A `fisa.call` of a routine, with the addresses of its operands."""
    site = get_attr(call, "focus.site")
    if site is None and any(get_attr(kernel, "threshold") is not None for kernel in kernels):
        raise OpError(call, f"calls '@{call.callee.value}', which concentrates, and needs 'focus.site'")
    where = _Lowering(Kernel(call), control)
    places = [where.place(value) for value in call.operands]
    fisa.CallOp.build(callee=call.callee.value, addresses=[_address(p.root) + p.offset for p in places], attrs={} if site is None else {"site": site})
    control.forget()


def _address(root: ir.Value) -> int:
    """Where a buffer lies."""
    owner = producer(root)
    address = get_attr(owner, "address")
    if address is None:
        raise OpError(owner.opview, "has no address; run allocate first")
    return address


class _Registers:
    """Numbers of generators or scalar registers, by the contents they have: contents that are in place already are not set up again."""

    def __init__(self, size: int, noun: str):
        self.size, self.noun = size, noun
        self.held: dict[tuple, int] = {}
        self.holds: dict[int, tuple] = {}
        self.ready: set[int] = set()            #: numbers known to be set up
        self.turn = 0

    def get(self, key: tuple, pinned: dict[tuple, int], op) -> tuple[int, bool]:
        """(number, whether it must be set up).  Numbers in `pinned` are in use by the code at hand."""
        if key not in self.held:
            taken = set(pinned.values())
            if len(taken) == self.size:
                raise OpError(op, f"needs more than {self.size} {self.noun} in one loop nest")
            while self.turn in taken:
                self.turn = (self.turn + 1) % self.size
            n, self.turn = self.turn, (self.turn + 1) % self.size
            if n in self.holds:
                self.held.pop(self.holds[n], None)
            self.held[key], self.holds[n] = n, key
            self.ready.discard(n)
        n = self.held[key]
        fresh = n not in self.ready
        self.ready.add(n)
        return n, fresh

    def forget(self, key: tuple) -> None:
        """Have it set up again."""
        if key in self.held:
            self.ready.discard(self.held[key])


class _Control:
    """Control state that outlives a kernel: concentrator settings, generators and registers, and the semaphores' counts between kernels.

    Registers keep their numbers in all routines of a module, so that one routine may find what another has set up.
    """

    def __init__(self):
        self.agus = _Registers(isa.NUM_AGUS, "address generators")
        self.extents = _Registers(isa.NUM_EXTENTS, "extent generators")
        self.scalars = _Registers(isa.NUM_SCALARS, "scalar registers")
        self.sic: tuple[float, tuple[int, ...], tuple[int, ...]] | None = None      #: threshold, block, grids of the kernel's own
        self.credits: dict[int, int | None] = {}                    #: of each semaphore; None where it is not known
        self.reset()

    def reset(self) -> None:
        """A program begins: no semaphore has credits, and the concentrator has no settings."""
        self.forget()
        self.sic, self.credits = None, dict.fromkeys(self.credits, 0)

    def forget(self) -> None:
        """Forget the contents of generators, registers and semaphores."""
        for registers in (self.agus, self.extents, self.scalars):
            registers.ready.clear()
        self.credits = dict.fromkeys(range(1, isa.NUM_SEMAPHORES + 1))

    def set_credits(self, n: int, count: int) -> None:
        """Every kernel leaves its semaphores as it found them, so only a change needs an instruction."""
        if self.credits[n] != count:
            fisa.instruction("sem", {"id": n, "credits": count})
            self.credits[n] = count

    def configure(self, kernel: ir.OpView, grids: list) -> None:
        """Concentrator settings, where the kernel concentrates and they have changed; `grids`: of a kernel that has none of its own."""
        threshold = get_attr(kernel, "threshold")
        if threshold is None:
            return
        own = get_attr(kernel, "grids", [])
        settings = (threshold, tuple(get_attr(kernel, "block")), tuple(own))
        if settings == self.sic:
            return
        self.sic = settings
        fisa.instruction("sic.config", {"threshold": _bits(threshold)} | dict(zip(("block_f", "block_h", "block_w"), settings[1])))
        for i, g in enumerate(fd.grids_of(own) or grids):
            fisa.instruction("sic.grid", {"index": i, "first": g.first, "frame_stride": g.frame_stride, "height_stride": g.height_stride,
                                          "width_stride": g.width_stride})


# ---- places and extents ------------------------------------------------------------------------------------------------------
class LoopExtent(NamedTuple):
    """clamp(total - step * counter[level] - less * step register, 0, full); a constant where `step` and `less` are 0."""
    full: int
    total: int
    step: int = 0
    level: int = 0
    less: int = 0

    @staticmethod
    def constant(n: int) -> LoopExtent:
        return LoopExtent(n, n)

    @property
    def fixed(self) -> bool:
        return self.step == 0 and self.less == 0

    def window(self, at: int, size: int) -> LoopExtent:
        """The part [at, at + size) of it."""
        if self.fixed:
            return LoopExtent.constant(max(0, min(size, self.full - at)))
        return LoopExtent(min(size, self.full), self.total - at, self.step, self.level, self.less)


class MemrefPlace(NamedTuple):
    """Where a memref lies: bytes from its buffer's base, byte strides by loop level, row pitch, and its extents."""
    root: ir.Value
    offset: int
    strides: tuple[tuple[int, int], ...]
    pitch: int
    dtype: str
    rows: LoopExtent
    cols: LoopExtent
    rows_at: int | None      #: constant first row and column in the whole buffer; None where a loop moves it
    cols_at: int | None


class Affine(NamedTuple):
    """const + sum of coefficient x counter by loop level, or of the step register (level STEP)."""
    const: int
    terms: tuple[tuple[int, int], ...] = ()

    def plus(self, o: Affine) -> Affine:
        terms = dict(self.terms)
        for level, c in o.terms:
            terms[level] = terms.get(level, 0) + c
        return Affine(self.const + o.const, tuple(sorted((level, c) for level, c in terms.items() if c)))

    def times(self, k: int) -> Affine:
        return Affine(self.const * k, tuple((level, c * k) for level, c in self.terms))


# ---- one kernel --------------------------------------------------------------------------------------------------------------
class _Lowering:
    """Lowers one kernel at the current insertion point."""

    def __init__(self, kernel: Kernel, control: _Control):
        self.kernel, self.control = kernel, control
        self.loops: dict[ir.Value, tuple[LoopRecord, int]] = {}         # induction variable -> (record, step)
        self.trips: dict[int, tuple[LoopExtent, int]] = {}                  # level of an open loop -> trip count, its largest value
        self.most_steps = 1                                                 # values that the step register may have
        self.steps: dict[int, int] = {}                                 # level of an open loop -> step
        self.index: dict[ir.Value, Affine] = {}
        #: (memref, whether its buffer is overwritten) -> where it lies, and what was known to be written to its buffer then
        self.places: dict[tuple[ir.Value, bool], tuple[MemrefPlace, tuple[LoopExtent, LoopExtent] | None]] = {}
        self.written: dict[ir.Value, tuple[LoopExtent, LoopExtent]] = {}        # buffer -> extents last written
        self.units: dict[isa.Unit, None] = {}

    def run(self) -> None:
        op = self.kernel.op
        with ir.Location.name(path_of(op) or op.name):
            parts = get_attr(op, "parts", [])
            for space, base, size in zip(parts[::3], parts[1::3], parts[2::3]):
                fisa.instruction("part", {"space": space, "base": base, "bytes": size})
            initial = dict(fd.pairs(op, "credits"))
            for n in sorted({n for numbers in self._semaphores() for n in numbers}):
                self.control.set_credits(n, initial.get(n, 0))
            self._block(op.regions[0].blocks[0], (), None)
            for unit in self.units:
                fisa.instruction("sync", {"unit": int(unit), "signal0": DRAIN})
            fisa.instruction("drain", {"id": DRAIN, "credits": len(self.units), "end": 1})

    def _semaphores(self):
        for instr in self.kernel.instrs:
            for name in ("wait", "signal"):
                yield [n for n, _ in fd.pairs(instr.op, name)]

    # ---- structure -------------------------------------------------------------------------------------------------------
    def _block(self, block: ir.Block, loops: tuple[LoopRecord, ...], setup: _Setup | None) -> None:
        """Instructions of a block.  `setup` collects generators of the outermost item the block belongs to; None at the top."""
        instrs = {i.op.operation: i for i in self.kernel.instrs}
        for view in block.operations:
            op = view.operation
            if op in instrs:
                if setup is None:
                    self._item(lambda s, i=instrs[op]: self._instr(i, s))
                else:
                    self._instr(instrs[op], setup)
            elif op.name == "scf.for":
                if setup is None:
                    self._item(lambda s, v=view: self._loop(v, loops, s))
                else:
                    self._loop(view, loops, setup)

    def _item(self, emit) -> None:
        """An outermost loop or instruction: its code is recorded first, so that its generators can be set up before it."""
        setup = _Setup(self.kernel, self.control)
        emit(setup)
        setup.flush()

    def _loop(self, view, loops: tuple[LoopRecord, ...], setup: _Setup) -> None:
        record = LoopRecord(len(loops), view.operation)
        body = view.operation.regions[0].blocks[0]
        step = self._constant(view.operation.operands[2])
        if step < 1:
            raise OpError(view, f"has a step of {step}, expected a positive one")
        trips, most = self._trip_count(view, step)
        self.loops[body.arguments[0]] = (record, step)
        self.trips[record.level], self.steps[record.level] = (trips, most), step
        setup.code.append(("loop", {"trips": setup.extent(trips)}, path_of(view)))
        self._block(body, loops + (record,), setup)
        setup.code.append(("endloop", {}, path_of(view)))

    def _trip_count(self, view, step: int) -> tuple[LoopExtent, int]:
        """Trips as an extent (a bound that grows with an outer counter makes a triangle), and the largest number of trips."""
        upper = view.operation.operands[1]
        cap, bound = self._constant_or_none(upper), None
        if cap is None:
            owner = producer(upper)
            if owner.name != "arith.minsi":
                raise OpError(view, "has an upper bound that is neither a constant nor the minimum of a constant and a linear index")
            cap, bound = self._constant(owner.operands[0]), self._affine(owner.operands[1])
        most = -(-cap // step)
        if bound is None or not bound.terms:
            n = most if bound is None else min(most, -(-bound.const // step))
            return LoopExtent.constant(n), n
        if len(bound.terms) > 1 or bound.terms[0][0] == STEP:
            raise OpError(view, f"has a bound that grows with {len(bound.terms)} loops around it or with the step, expected one loop")
        (level, slope), = bound.terms
        if slope % step:
            raise OpError(view, f"has a bound that grows by {slope} per iteration, expected a multiple of its step {step}")
        return LoopExtent(most, -(-bound.const // step), -(slope // step), level), most

    # ---- indices ---------------------------------------------------------------------------------------------------------
    def _constant_or_none(self, value: ir.Value) -> int | None:
        owner = producer(value)
        if owner is None or owner.name != "arith.constant":
            return None
        return ir.IntegerAttr(owner.attributes["value"]).value

    def _constant(self, value: ir.Value) -> int:
        n = self._constant_or_none(value)
        if n is None:
            raise OpError(self.kernel.op, "has a loop step or bound that is not a constant")
        return n

    def _affine(self, value: ir.Value) -> Affine:
        known = self.index.get(value)
        if known is None:
            known = self.index[value] = self._linear(value)
        return known

    def _linear(self, value: ir.Value) -> Affine:
        """`_affine` of a value that is met for the first time."""
        if value in self.loops:
            record, step = self.loops[value]
            return Affine(0, ((record.level, step),))
        owner = producer(value)
        if owner is None:
            raise OpError(self.kernel.op, "uses an index that is no induction variable of its loops")
        name = owner.name
        if name == "arith.constant":
            return Affine(ir.IntegerAttr(owner.attributes["value"]).value)
        if name == "focus.step":
            self.most_steps = max(self.most_steps, get_attr(owner, "most"))
            return Affine(0, ((STEP, 1),))
        a, b = (self._affine(v) for v in owner.operands)
        if name == "arith.addi":
            return a.plus(b)
        if name == "arith.muli" and not (a.terms and b.terms):
            return a.times(b.const) if not b.terms else b.times(a.const)
        raise OpError(owner.opview, "is not a linear index")

    # ---- places ----------------------------------------------------------------------------------------------------------
    def place(self, value: ir.Value, fresh: bool = False) -> MemrefPlace:
        """Where a memref lies now.  Buffers have the extents last written to them, or, where they are overwritten (`fresh`), their own."""
        known = self.places.get((value, fresh))
        if known is not None:
            place, written = known
            if fresh or self.written.get(place.root) is written:
                return place
        place = self._place(value, fresh)
        self.places[value, fresh] = place, self.written.get(place.root)
        return place

    def _place(self, value: ir.Value, fresh: bool) -> MemrefPlace:
        owner = producer(value)
        name = "" if owner is None else owner.name
        if name in ("", "focus.buffer"):
            rows, cols = value.type.shape
            dtype, pitch = fd.dtype_of(value.type.element_type), value.type.get_strides_and_offset()[0][0]
            whole = (LoopExtent.constant(rows), LoopExtent.constant(cols))
            extents = whole if fresh else self.written.get(value, whole)
            return MemrefPlace(value, 0, (), pitch * fd.ELEMENT_BYTES[dtype], dtype, *extents, 0, 0)
        base = self.place(owner.operands[0], fresh)
        if name == "focus.recast":
            dtype = fd.dtype_of(value.type.element_type)
            return MemrefPlace(base.root, base.offset, base.strides, base.pitch, dtype, base.rows, base.cols, base.rows_at, base.cols_at)
        if name == "focus.view":
            rows, cols = value.type.shape
            return MemrefPlace(base.root, base.offset, base.strides, cols * fd.ELEMENT_BYTES[base.dtype], base.dtype,
                               LoopExtent.constant(rows), LoopExtent.constant(cols), None, None)
        at = [self._affine(v) for v in list(owner.operands)[1:]]
        if name == "focus.prefix":
            if get_attr(owner, "axis") == 0:
                return base._replace(rows=self._first(owner, base.rows, at[0]))
            return base._replace(cols=self._first(owner, base.cols, at[0]))
        sizes = get_attr(owner, "sizes")
        nbytes = fd.ELEMENT_BYTES[base.dtype]
        offset = at[0].times(base.pitch).plus(at[1].times(nbytes)).plus(Affine(base.offset, base.strides))
        rows, cols = (self._clip(owner, e, i, n) for e, i, n in zip((base.rows, base.cols), at, sizes))
        known = lambda b, i: None if b is None or i.terms else b + i.const
        return MemrefPlace(base.root, offset.const, offset.terms, base.pitch, base.dtype, rows, cols,
                           known(base.rows_at, at[0]), known(base.cols_at, at[1]))

    def _clip(self, owner, extent: LoopExtent, at: Affine, size: int) -> LoopExtent:
        """LoopExtent of a window of `size` at `at` of a base with `extent`."""
        if not at.terms:
            return extent.window(at.const, size)
        low, high = self._range(at)
        less = dict(at.terms).get(STEP, 0)
        loops = [term for term in at.terms if term[0] != STEP]
        level, c = loops[0] if loops else (extent.level, 0)
        if extent.fixed:
            if low < 0:
                raise OpError(owner.opview, f"begins {-low} before its base")
            if high + size <= extent.full:
                return LoopExtent.constant(size)
            if len(loops) <= 1:
                return LoopExtent(size, extent.full - at.const, c, level if c else 0, less)
        elif len(loops) <= 1 and (extent.step == 0 or level == extent.level):
            return LoopExtent(size, extent.total - at.const, extent.step + c, level, extent.less + less)
        raise OpError(owner.opview, f"is not contained in its base (extent {extent.full}, index up to {high}) and cannot be clipped by one loop "
                                    "counter")

    def _first(self, owner, extent: LoopExtent, rows: Affine) -> LoopExtent:
        """The first `rows` of as many as `extent` says."""
        if not extent.fixed or any(level != STEP for level, _ in rows.terms):
            raise OpError(owner.opview, "expected a base of constant size, and a number of rows that only the step changes")
        low, high = self._range(rows)
        if low < 0 or high > extent.full:
            raise OpError(owner.opview, f"has {low} to {high} rows, and its base {extent.full}")
        return LoopExtent(extent.full, rows.const, less=-dict(rows.terms).get(STEP, 0))

    def _range(self, a: Affine) -> tuple[int, int]:
        """Smallest and largest value over all iterations."""
        most = lambda level: self.most_steps if level == STEP else self.trips[level][1]
        ends = [(0, c * (most(level) - 1)) for level, c in a.terms]
        return a.const + sum(min(e) for e in ends), a.const + sum(max(e) for e in ends)

    # ---- instructions ----------------------------------------------------------------------------------------------------
    def _instr(self, instr: Instr, setup: _Setup) -> None:
        overwrites = ("w", "rw") if get_attr(instr.op, "init") in ("always", "inner") else ("w",)
        places = {f.name: self.place(v, f.access in overwrites) for f, v in instr.mems}
        extents = self._extents(instr, places)
        self._note_written(instr, places, extents)
        until = get_attr(instr.op, "until")
        if until is not None and instr.loops:
            extents["rows"] = self._live(instr, extents["rows"], until)
        values: dict[str, int] = {f.name: setup.agu(places[f.name]) for f, _ in instr.mems}
        for f in instr.entry.fields:
            if f.kind == "ext":
                values[f.name] = setup.extent(extents[f.name])
            elif f.kind == "enum":
                values[f.name] = int(isa.ENUMS[f.enum][get_attr(instr.op, f.name).upper()])
            elif f.kind == "scalar":
                values[f.name] = setup.scalar(get_attr(instr.op, f.name))
            elif f.kind == "init":
                values[f.name] = self._init(instr)
            elif f.kind == "uint":
                values[f.name] = get_attr(instr.op, f.name)
        self._synchronise(instr, values, setup)

    def _synchronise(self, instr: Instr, values: dict[str, int], setup: _Setup) -> None:
        """Semaphore fields; what does not fit goes to sync instructions of the same unit before and after."""
        path, unit = path_of(instr.op), int(instr.entry.unit)
        waits, signals = fd.pairs(instr.op, "wait"), fd.pairs(instr.op, "signal")
        while len(waits) > 3:
            setup.code.append(("sync", {"unit": unit} | _fields("wait", waits[:3]), path))
            waits = waits[3:]
        after = signals[3:]
        setup.code.append((instr.entry.mnemonic, values | _fields("wait", waits) | _fields("signal", signals[:3]), path))
        while after:
            setup.code.append(("sync", {"unit": unit} | _fields("signal", after[:3]), path))
            after = after[3:]
        self.units[instr.entry.unit] = None

    def _extents(self, instr: Instr, places: dict[str, MemrefPlace]) -> dict[str, LoopExtent]:
        """Each extent field: what the operands that have it agree on."""
        out = {}
        for f in instr.entry.fields:
            if f.kind != "ext":
                continue
            if f.of is not None and f.of[0] == f.name:
                out[f.name] = LoopExtent.constant(get_attr(instr.op, f.name))
                continue
            seen = []
            for m, _ in instr.mems:
                seen += [e for label, e in ((m.rows, places[m.name].rows), (m.cols, places[m.name].cols)) if label == f.name]
            out[f.name] = self._agree(instr, f.name, seen)
        return out

    def _live(self, instr: Instr, rows: LoopExtent, until: int) -> LoopExtent:
        """`rows` while the counter of the innermost loop is below `until`, then none: an extent that falls by all rows per iteration."""
        level = instr.loops[-1].level
        if not rows.fixed or until < 1:
            raise OpError(instr.op, "has 'until' below 1, or besides rows that a loop clips; expected a positive number and all rows")
        return LoopExtent(rows.full, rows.full * -(-until // self.steps[level]), rows.full, level, 0)

    def _agree(self, instr: Instr, name: str, seen: list[LoopExtent]) -> LoopExtent:
        if not seen:
            return LoopExtent.constant(0)
        fixed = min((e.full for e in seen if e.fixed), default=None)
        moving = {e for e in seen if not e.fixed}
        if not moving:
            return min(seen, key=lambda e: e.full)
        if len({(e.total, e.step, e.level, e.less) for e in moving}) > 1:
            raise OpError(instr.op, f"has operands whose {name} end at different places: {sorted(map(str, moving))}")
        e = min(moving, key=lambda e: e.full)
        return LoopExtent(min(e.full, e.full if fixed is None else fixed), e.total, e.step, e.level, e.less)

    def _note_written(self, instr: Instr, places: dict[str, MemrefPlace], extents: dict[str, LoopExtent]) -> None:
        """A buffer is as large as what was last written to it, where that starts at its first row or column.  Of rows that a loop goes through,
        which together are all, it has as many columns as they have."""
        for m, _ in instr.mems:
            p = places[m.name]
            if "w" not in m.access or fd.space_of(p.root) == "dram" or p.cols_at is None:
                continue
            rows, cols = p.root.type.shape
            old = self.written.get(p.root, (LoopExtent.constant(rows), LoopExtent.constant(cols)))
            if p.rows_at is None:
                of = extents.get(str(m.cols))
                if of is not None and not of.fixed and not p.cols_at and of.level < len(self.kernel.buffers[p.root].loops):
                    self.written[p.root] = (old[0], LoopExtent(cols, of.total, of.step, of.level, of.less))
                continue
            self.written[p.root] = (self._whole(extents.get(str(m.rows)), p.rows_at, rows, old[0]),
                                    self._whole(extents.get(str(m.cols)), p.cols_at, cols, old[1]))

    @staticmethod
    def _whole(extent: LoopExtent | None, at: int, full: int, before: LoopExtent) -> LoopExtent:
        """Of `full` rows or columns of a buffer, those there are after a write from `at` on of as many as `extent` says."""
        if extent is None or extent.fixed:
            return before if not before.fixed and at else LoopExtent.constant(full)
        return LoopExtent(full, extent.total + at, extent.step, extent.level, extent.less)

    def _init(self, instr: Instr) -> int:
        """The depth from which "first" counts: the loops around the buffer that the instruction accumulates into; of "inner" all but one."""
        how = get_attr(instr.op, "init")
        if how == "inner" and instr.loops:
            return instr.loops[-1].level
        if how != "first":
            return isa.ALWAYS if how == "always" else isa.NEVER
        value = next(v for f, v in instr.mems if f.access == "rw")
        record = self.kernel.buffers.get(self.place(value).root)
        return len(record.loops) if record is not None else 0


def _fields(kind: str, pairs: list[tuple[int, int]]) -> dict[str, int]:
    out: dict[str, int] = {}
    for i, (n, depth) in enumerate(pairs):
        out |= {f"{kind}{i}": n, f"{kind}{i}_depth": depth}
    return out


def _bits(value: float) -> int:
    return struct.unpack("<I", struct.pack("<f", value))[0]


#: mnemonic -> field -> smallest and largest value
_RANGES = {mnemonic: {f.name: (f.low, f.high) for f in entry.all_fields} for mnemonic, entry in isa.TABLE.items()}


class _Setup:
    """Generators and code of one outermost item."""

    def __init__(self, kernel: Kernel, control: _Control):
        self.kernel, self.control = kernel, control
        self.agus: dict[tuple, int] = {}
        self.extents: dict[tuple, int] = {}
        self.scalars: dict[tuple, int] = {}
        self.before: list[tuple[str, dict[str, int], int | None]] = []      #: set-up: (mnemonic, fields, argument that the base counts from)
        self.code: list[tuple[str, dict[str, int], str]] = []   #: (mnemonic, fields, module path)

    def agu(self, p: MemrefPlace) -> int:
        space = isa.Space[fd.space_of(p.root).upper()]
        slots, slot_bytes, level = 1, 0, isa.ALWAYS
        record = self.kernel.buffers.get(p.root)
        if record is not None and (slots := get_attr(record.op, "slots", 1)) > 1:
            slot_bytes, level = aligned(record.bytes), len(record.loops) - 1
        argument = ir.BlockArgument(p.root).arg_number if producer(p.root) is None else None
        base = p.offset + (_address(p.root) if argument is None else 0)
        dtype = int(BY_MLIR[p.dtype].dtype)
        key = (int(space), dtype, base, p.pitch, slots, slot_bytes, level, p.strides, argument)
        if key in self.agus:
            return self.agus[key]
        if slots > 1:           # a ring starts at slot 0 in each item
            self.control.agus.forget(key)
        n, fresh = self.control.agus.get(key, self.agus, self.kernel.op)
        self.agus[key] = n
        if fresh:
            self.before.append(("agu", {"id": n, "space": int(space), "dtype": dtype, "base": base, "pitch": p.pitch, "slots": slots,
                                        "slot_bytes": slot_bytes, "ring_level": level}, argument))
            self.before += [("agu.step", {"id": n, "stride": stride}, None) if at == STEP else
                            ("agu.stride", {"id": n, "level": at, "stride": stride}, None) for at, stride in p.strides]
        return n

    def extent(self, e: LoopExtent) -> int:
        key = (e.full, e.full if e.fixed else e.total, e.step, e.level if e.step else 0, e.less)
        n, fresh = self.control.extents.get(key, self.extents, self.kernel.op)
        self.extents[key] = n
        if fresh:
            self.before.append(("ext", {"id": n} | dict(zip(("full", "total", "step", "level"), key)), None))
            if e.less:
                self.before.append(("ext.step", {"id": n, "less": e.less}, None))
        return n

    def scalar(self, value: float) -> int:
        key = (_bits(value),)
        n, fresh = self.control.scalars.get(key, self.scalars, self.kernel.op)
        self.scalars[key] = n
        if fresh:
            self.before.append(("scalar", {"id": n, "value": key[0]}, None))
        return n

    def flush(self) -> None:
        """Emit the set-up, then the code."""
        for mnemonic, values, argument in self.before:
            self._check(mnemonic, values)
            fisa.instruction(mnemonic, values, argument=argument)
        for mnemonic, values, path in self.code:
            self._check(mnemonic, values)
            fisa.instruction(mnemonic, values, loc=path or None)

    def _check(self, mnemonic: str, values: dict[str, int]) -> None:
        """Raise OpError for a number that the instruction cannot hold."""
        ranges = _RANGES[mnemonic]
        for name, value in values.items():
            low, high = ranges[name]
            if not low <= value <= high:
                raise OpError(self.kernel.op, f"takes '{mnemonic}' with {name} {value}; {low}..{high} can be encoded")
