"""Running a compiled program.

In: a `Binary` (from the compiler) or an `.fxb` file.  Out: `Executable`, which runs inputs through the simulator and gives outputs, the
trace of what was concentrated, and the report; or gives the report alone for a trace.  Any number of threads may use one.
"""
from __future__ import annotations

import hashlib
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np

from focus.runtime.run import fxb, report, trace as traces
from focus.runtime.run.fxb import STORED, Binary, FixedInput, Port
from focus.runtime.run.session import Generation, Session, entry_of, most_new, timed, timed_entry
from focus.runtime.run.timeline import Timeline
from focus.runtime.run.trace import Trace
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.errors import FocusError, one_line
from focus.runtime.spec.machine import Machine

WHOLE = (0, 2 ** 62)                        #: all cycles of a run
FLAGS = ("use_cache", "return_dict", "output_attentions", "output_hidden_states")      #: of the model's forward; they change no logits
MASK = "attention_mask"                     #: as processors give it: ones, since there is one request and no padding
MOST_EVENTS = 2 ** 30                       #: of a time line
Progress = Callable[[int, int], None]       #: called with (instructions done, instructions in all) a few times a second
ENGINES_BYTES = 4 << 30                     #: most DRAM that several engines of one program take together


@dataclass(frozen=True)
class Budget:
    """What a run may do before it is stopped with a FocusError: `instructions` executed, `bytes` that operands read and write.

    The default is far beyond any real program (half a billion instructions for the longest published video) and stops those that would
    not end within days.  Timing runs count instructions only.
    """
    instructions: int = 100_000_000_000
    bytes: int = 1 << 50

    def __post_init__(self):
        for name, value in (("max_instructions", self.instructions), ("max_bytes", self.bytes)):
            if isinstance(value, bool) or not isinstance(value, int) or not 0 < value < 2 ** 62:
                raise FocusError(f"{name} is {value!r}; a number between 1 and 2^62 expected")


@dataclass
class Result:
    """`outputs`: name -> array of the port's dtype and shape; `trace`: keys of docs/algorithm.md; `report`: see runtime/run/report.py;
    `concentration`: what was merged and pruned.

    `timeline`: what happened when; empty if no events were asked for.
    """
    outputs: dict[str, np.ndarray]
    trace: Trace
    report: dict[str, Any]
    concentration: Concentration
    timeline: Timeline


@dataclass(frozen=True)
class _Watched:
    """What is looked at during a run."""
    sanitize: bool = False
    progress: Progress | None = None
    timeline: int = 0
    window: tuple[int, int] = WHOLE
    captures: tuple[tuple[int, int, int], ...] = ()


class _Engine:
    """A simulated machine with the program in it, and whether the parameters are in its DRAM."""

    def __init__(self, binary: Binary):
        self.binary = binary
        self.simulator = _simulator_of(binary)
        self.loaded = False
        self._entries: dict[str, Any] = {}

    def entry(self, name: str) -> Any:
        """The simulator of an entry on this machine, with its own parameters in DRAM where those of the program are."""
        if name not in self._entries:
            entry = self.binary.entries[name]
            simulator = self._entries[name] = _simulator_of(entry, self.simulator)
            for place in entry.own(self.binary) if self.loaded else ():
                simulator.write(place.address, _bytes(entry.param(place)))
        return self._entries[name]


def _simulator_of(binary: Binary, beside: Any = None) -> Any:
    """A simulator with a program in it; `beside`: that of another program on the same machine."""
    from focus.runtime import _sim

    source = np.require(binary.source, requirements=("C", "ALIGNED"))            # in a file it may stand anywhere
    return _sim.Simulator(np.ascontiguousarray(binary.text), source, binary.machine.to_json(), binary.sites_json(), list(binary.modules),
                          binary.lives_json(), beside)


class _Engines:
    """The engines of one program.  Each run has one to itself; there are at most as many as processors and `ENGINES_BYTES` have room for,
    and a run waits when all are busy.  A run that a thread starts while it is in another (from `progress`) gets one more, and so does
    a session, which may be open for as long as its user likes: no run waits for it, nor it for any."""

    def __init__(self, binary: Binary):
        self.binary = binary
        self.idle: list[_Engine] = []
        self.most = max(1, min(os.cpu_count() or 1, ENGINES_BYTES // binary.dram_bytes))
        self.users: list[int] = []                  # thread of each run under way
        self.changed = threading.Condition()
        self.loading = threading.Lock()

    @contextmanager
    def engine(self, loaded: bool, waits: bool) -> Iterator[Any]:
        """An engine for one run, with the parameters in its DRAM if `loaded`; for a session (not `waits`), at once."""
        me = threading.get_ident()
        with self.changed:
            while waits and len(self.users) >= self.most and me not in self.users:
                self.changed.wait()
            if waits:
                self.users.append(me)
            engine = next((e for e in self.idle if e.loaded), self.idle[-1] if self.idle else None)
            if engine:
                self.idle.remove(engine)
        try:
            engine = engine or _Engine(self.binary)
            if loaded and not engine.loaded:
                self._load(engine)
            yield engine
        finally:
            with self.changed:
                if waits:
                    self.users.remove(me)
                if engine and len(self.idle) < self.most:
                    self.idle.append(engine)
                self.changed.notify()

    def _load(self, engine: _Engine) -> None:
        with self.loading:                          # parameters may be made when they are asked for
            for entry in self.binary.param_table:
                engine.simulator.write(entry.address, _bytes(self.binary.param(entry)))
        engine.loaded = True
        engine._entries = {}                        # their own parameters are not there yet


class Executable:
    """A checked binary with simulated machines to run it on.

    Runs may be repeated, and started from several threads at once: each has a machine of its own, to which the parameters are copied once.
    `max_instructions` and `max_bytes` replace the limits of `Budget` for every run.
    """

    def __init__(self, binary: Binary, *, max_instructions: int = Budget.instructions, max_bytes: int = Budget.bytes):
        """Raises FocusError when the binary contradicts itself."""
        self.binary = binary if binary.validated else binary.validate()
        self.budget = Budget(max_instructions, max_bytes)
        self._engines = _Engines(self.binary)

    @one_line
    def generate(self, inputs: Mapping[str, Any] | Sequence[Mapping[str, Any]], max_new_tokens: int, eos: int | Iterable[int] = (), *,
                 sanitize: bool = False, progress: Progress | None = None) -> Generation:
        """Prefill one request (or as many as the program was compiled for) and go on token by token, each the most probable one, until a token of
        `eos` or `max_new_tokens` tokens.  Raises FocusError as `run` does, and for a program or a number of tokens that it was not compiled for."""
        with self.session(inputs, sanitize=sanitize) as session:
            tokens = session.generate(max_new_tokens, eos, progress)
            return Generation(tokens, session.results, session.summary())

    def session(self, inputs: Mapping[str, Any] | Sequence[Mapping[str, Any]], *, sanitize: bool = False,
                kept: str | os.PathLike | None = None) -> Session:
        """Prefill requests whose keys and values stay on the simulated machine, for tokens and follow-ups to come: a context manager.  `kept`: the
        file that `Session.save` of the same program and requests has written; the prefill is not repeated."""
        return Session(self, inputs, sanitize=sanitize, kept=kept)

    def digest_of(self, inputs: Mapping[str, Any]) -> str:
        """SHA-256 of a request's inputs as they are stored.  Raises FocusError as `run` does."""
        stored, _ = self._take_inputs(inputs)
        total = hashlib.sha256()
        for name in sorted(stored):
            total.update(name.encode() + _bytes(stored[name]).tobytes())
        return total.hexdigest()

    def __getstate__(self) -> dict[str, Any]:
        """Copies and pickles begin without engines."""
        return {key: value for key, value in self.__dict__.items() if key != "_engines"}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._engines = _Engines(self.binary)

    @property
    def machine(self) -> Machine:
        return self.binary.machine

    @property
    def concentration(self) -> Concentration:
        return self.binary.concentration

    @one_line
    def save(self, path: str | os.PathLike) -> None:
        """Write the `.fxb` file, whole or not at all.  Raises FocusError."""
        self.binary.save(path)

    @classmethod
    @one_line
    def load(cls, path: str | os.PathLike, weights: str | os.PathLike | None = None, **budget: int) -> Executable:
        """From an `.fxb` file, everything checked; `weights` says where its weights file is if not beside it, `max_instructions` and
        `max_bytes` what a run may do.  Raises FocusError."""
        return cls(fxb.load(path, weights), **budget)

    def takes(self, inputs: Mapping[str, Any]) -> bool:
        """Whether `run` takes these inputs: all that there are, of the program's shapes, types and token layout."""
        try:
            self._take_inputs(inputs)
        except FocusError:
            return False
        return True

    @one_line
    def run(self, inputs: Mapping[str, Any], *, sanitize: bool = False, progress: Progress | None = None, timeline: int = 0,
            window: tuple[int, int] = WHOLE) -> Result:
        """Execute on data.  `inputs`: name -> numpy array or tensor, as the model's own forward takes them.

        Floats are rounded to fp16 on the way in; NaN, infinity, and values beyond fp16 (which become infinity) are allowed and counted in
        the report.  `sanitize` looks for accesses that hardware would get wrong: unordered ones, and reads of bytes that are unwritten or
        left from earlier kernels.  `timeline` keeps that many instructions' times, of those that start in the cycles `window`.
        Raises FocusError for an input that is missing, unknown, or of another shape, type or token layout.
        """
        _check_watching(progress, timeline, window, sanitize)
        return self._execute(inputs, sanitize, progress, timeline, window)[0]

    @one_line
    def run_with_values(self, inputs: Mapping[str, Any], *, progress: Progress | None = None) -> tuple[Result, list[np.ndarray]]:
        """`run`, and what modules of the model take and give in the middle of it: an array [rows, features], in its stored type, for each of
        `binary.memory_map.values`.  The rows of a decoder are in storage order: visual tokens first, then text.  Memory: that of all these values."""
        _check_watching(progress, 0, WHOLE)
        order = sorted(range(len(self.binary.memory_map.values)), key=lambda i: self.binary.memory_map.values[i].kernel)
        wanted = [self.binary.memory_map.values[i] for i in order]
        result, raw = self._execute(inputs, False, progress, 0, WHOLE, [(v.address, v.nbytes, v.kernel) for v in wanted])
        found: dict[int, np.ndarray] = {i: data.view(STORED[v.stored]).reshape(v.shape) for i, v, data in zip(order, wanted, raw.get("captured", []))}
        return result, [found[i] for i in range(len(found))]

    def _execute(self, inputs: Mapping[str, Any], sanitize: bool, progress: Progress | None, timeline: int, window: tuple[int, int],
                 captures: Sequence[tuple[int, int, int]] = ()) -> tuple[Result, dict[str, Any]]:
        """The result of a run, and the simulator's raw counters."""
        self._check_data()
        stored, counted = self._take_inputs(inputs)
        with self.engine() as engine:
            return self._executed(engine.simulator, stored, counted, _Watched(sanitize, progress, timeline, window, tuple(captures)))

    @one_line
    def time_entry(self, name: str, step: int) -> dict[str, Any]:
        """The report of an entry ("decode", "extend") without data, for caches that hold `step` tokens after those of the prefill."""
        return timed_entry(self, name, step)

    def timer(self, entry: str) -> Any:
        """A simulated machine for runs of an entry without data."""
        return _simulator_of(entry_of(self.binary, entry))

    def prefill(self, engine: _Engine, inputs: Mapping[str, Any], number: int, sanitize: bool) -> Result:
        """Run the program for one of the requests of a session, whose caches stay in the engine's DRAM."""
        self._check_data()
        stored, counted = self._take_inputs(inputs)
        return self._executed(engine.simulator, stored, counted, _Watched(sanitize), number)[0]

    def _executed(self, simulator: Any, stored: Mapping[str, np.ndarray], counted: Mapping[str, dict[str, int]], watched: _Watched,
                  step: int = 0) -> tuple[Result, dict[str, Any]]:
        """Run on inputs as they are stored."""
        for port in self.binary.inputs:
            simulator.write(port.address, _bytes(stored[port.name]))
        kept = [(cache.address, cache.nbytes) for cache in self.binary.memory_map.caches]
        raw = simulator.run(True, watched.sanitize, None, watched.progress, watched.timeline, *watched.window, self.budget.instructions,
                            self.budget.bytes, list(watched.captures), step, kept)
        lists = [simulator.read(p.address, p.nbytes).view(STORED[p.stored]) for p in self.binary.id_lists]
        found = traces.from_simulator(simulator.trace(), self.binary, lists)
        outputs = {port.name: _read(simulator, port) for port in self.binary.outputs}
        counts = [traces.unique_counts(found, site) for site in self.binary.sites]
        return Result(outputs, found, report.build(self.binary, raw, "functional", counts, counted), self.concentration, Timeline.of(raw)), raw

    @one_line
    def time(self, trace: Mapping[str, np.ndarray] | None = None, *, progress: Progress | None = None, generate: int = 0) -> dict[str, Any]:
        """The report of a run without data: the same instructions and the same times, with the data-dependent sizes from `trace`.

        A program without similarity concentration needs none.  With `generate`, the report has a key "generation": what as many tokens take after
        the prefill (`focus.runtime.run.session.summary`).  Raises FocusError for a trace of another model.
        """
        if isinstance(generate, bool) or not isinstance(generate, (int, np.integer)) or generate < 0:
            raise FocusError(f"generate: a number of tokens expected, got {type(generate).__name__}")
        if not generate:
            return self.time_with_timeline(trace, progress=progress)[0]
        if generate > most_new(self.binary):
            raise FocusError(f"generate is {generate}; the program was compiled for 1 to {most_new(self.binary)} new tokens (max_new_tokens)")
        prefills = self._time_prefills(trace, progress)
        return prefills[0] | {"generation": timed(self, prefills, generate)}

    def _time_prefills(self, trace: Mapping[str, np.ndarray] | None, progress: Progress | None) -> list[dict[str, Any]]:
        """`time` of each request's prefill, for the same trace.  They differ where rows of a cache begin elsewhere in a burst of DRAM."""
        burst, found = self.machine.dram.burst_bytes, {}
        places = [tuple(number * cache.capacity * cache.row_bytes % burst for cache in self.binary.memory_map.caches)
                  for number in range(self.binary.steps)]
        for number, place in enumerate(places):
            if place not in found:
                found[place] = self.time_with_timeline(trace, progress=progress, request=number)[0]
        return [found[place] for place in places]

    @one_line
    def time_with_timeline(self, trace: Mapping[str, np.ndarray] | None = None, *, progress: Progress | None = None, timeline: int = 0,
                           window: tuple[int, int] = WHOLE, request: int = 0) -> tuple[dict[str, Any], Timeline]:
        """`time` of the prefill of a request, of several that go on side by side, and the time line of the first `timeline` instructions that
        start in the cycles `window`."""
        _check_watching(progress, timeline, window)
        if isinstance(request, bool) or not isinstance(request, (int, np.integer)) or not 0 <= request < self.binary.steps:
            raise FocusError(f"request is {request!r}; the program was compiled for {self.binary.steps}, numbered from 0")
        if trace is None and self.binary.sites:
            raise FocusError("the program merges similar vectors, so its time depends on the data: a trace is needed (--trace of focus-sim, "
                             "focus-trace)")
        if trace is not None and not isinstance(trace, Mapping):
            raise FocusError(f"trace: a dictionary of names and arrays expected, not {type(trace).__name__}")
        given = trace if trace is not None else {}
        traces.check(given, self.binary)
        counts = [traces.unique_counts(given, site) for site in self.binary.sites]
        with self.engine(loaded=False) as engine:
            raw = engine.simulator.run(False, False, [c.reshape(-1) for c in counts], progress, timeline, *window,
                                self.budget.instructions, self.budget.bytes, step=int(request))
        return report.build(self.binary, raw, "timing", counts), Timeline.of(raw)

    # ---- inside ------------------------------------------------------------------------------------------------------
    @contextmanager
    def engine(self, loaded: bool = True, waits: bool = True) -> Iterator[_Engine]:
        """A simulated machine to oneself; with the parameters in its DRAM if `loaded`.  When all are busy one `waits` for it, or gets one more."""
        try:
            with self._engines.engine(loaded, waits) as engine:
                yield engine
        except MemoryError:
            raise FocusError(f"{self.binary.model or 'the program'}: not enough memory to simulate it") from None

    def _check_data(self) -> None:
        """There must be parameter values, and the simulated DRAM must fit the host's memory: a run would be killed otherwise."""
        if self.binary.timing_only:
            raise FocusError(f"{self.binary.model or 'the program'} was compiled without parameter values and can only be timed "
                             f"(focus-sim --timing-only, Executable.time)")
        host = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
        if self.binary.dram_bytes > host:
            raise FocusError(f"{self.binary.model or 'the program'} uses {self.binary.dram_bytes} bytes of DRAM; to run it on data, this "
                             f"computer would need as much memory, and has {host} (it can be timed: focus-sim --timing-only, Executable.time)")

    def _take_inputs(self, inputs: Mapping[str, Any]) -> tuple[dict[str, np.ndarray], dict[str, dict[str, int]]]:
        """All inputs as they are stored, and how many values of each are not finite or overflowed."""
        if not isinstance(inputs, Mapping):
            raise FocusError(f"inputs: a dictionary of names and arrays expected, not {type(inputs).__name__}")
        given = {name: value for name, value in inputs.items() if value is not None}
        ports = {port.name: port for port in self.binary.inputs}
        fixed = {f.name: f for f in self.binary.fixed_inputs}
        for name in given:
            if name not in ports and name not in fixed and name not in FLAGS and not (name == MASK and "input_ids" in ports):
                raise FocusError(f"input '{name}' is unknown; the program takes {', '.join([*ports, *fixed]) or 'none'}")
        for name in ports:
            if name not in given:
                raise FocusError(f"input '{name}' is missing; the program takes {', '.join(ports)}")
        for name in given.keys() & fixed.keys():
            _check_fixed(fixed[name], _to_numpy(name, given[name]))
        placeholders = self.binary.tokens.visual_ids if self.binary.tokens else ()
        arrays = {name: _checked(port, _to_numpy(name, given[name], port.dtype), placeholders) for name, port in ports.items()}
        if "input_ids" in arrays:
            self._check_layout(arrays["input_ids"])
        if MASK in given:
            _check_mask(_to_numpy(MASK, given[MASK]), ports["input_ids"])
        stored, counted = {}, {}
        for name, port in ports.items():
            stored[name], counted[name] = fxb.store(arrays[name], port.stored)
        return stored, counted

    def _check_layout(self, ids: np.ndarray) -> None:
        """Whether the visual tokens stand where the program was compiled to find them."""
        tokens = self.binary.tokens
        if tokens is None or not tokens.visual_ids or ids.size != tokens.S:
            return
        visual = np.isin(ids.reshape(-1), tokens.visual_ids)
        wrong = np.flatnonzero(visual != tokens.visual_mask())
        if len(wrong):
            kind = ("a visual", "a text") if visual[wrong[0]] else ("a text", "a visual")
            runs = f"{[list(r) for r in tokens.runs[:4]]}{' ...' if len(tokens.runs) > 4 else ''}"
            raise FocusError(f"input 'input_ids': position {wrong[0]} holds {kind[0]} token; the program was compiled for {kind[1]} token "
                             f"there ({tokens.V} visual tokens, runs {runs})")


load = Executable.load


# ---- inputs ----------------------------------------------------------------------------------------------------------
def _to_numpy(name: str, value: Any, dtype: str | None = None) -> np.ndarray:
    """A numpy array from an array, a list or a tensor of PyTorch (known by its methods: nothing here imports torch).  A list of floats has
    no type of its own and takes `dtype`."""
    try:
        if hasattr(value, "detach"):
            value = value.detach().cpu()
            value = (value.float() if str(value.dtype) == "torch.bfloat16" else value).numpy()
        array = np.asarray(value)
        return array.astype(dtype) if isinstance(value, (list, tuple)) and dtype and array.dtype.kind == np.dtype(dtype).kind == "f" else array
    except (TypeError, ValueError, RuntimeError) as e:
        raise FocusError(f"input '{name}' is no array: {e}") from None


def _check_watching(progress: Any, timeline: Any, window: Any, sanitize: Any = False) -> None:
    """Raise FocusError unless these are what `Executable.run` takes."""
    whole = lambda value: isinstance(value, (int, np.integer)) and not isinstance(value, bool)
    if progress is not None and not callable(progress):
        raise FocusError(f"progress: a function expected, got {type(progress).__name__}")
    if not whole(timeline) or not 0 <= timeline <= MOST_EVENTS:
        raise FocusError(f"timeline: a number of instructions from 0 to {MOST_EVENTS} expected, got {timeline!r}")
    if not isinstance(window, (tuple, list)) or len(window) != 2 or not all(whole(cycle) and 0 <= cycle <= WHOLE[1] for cycle in window):
        raise FocusError(f"window: the first and the last cycle expected, got {window!r}")
    if not isinstance(sanitize, (bool, np.bool_)):
        raise FocusError(f"sanitize: True or False expected, got {type(sanitize).__name__}")


def _checked(port: Port, array: np.ndarray, placeholders: tuple[int, ...] = ()) -> np.ndarray:
    """`array` if it has the port's shape, a type that converts to the port's without loss, and ids in range (`placeholders` are looked up
    nowhere and may lie outside)."""
    if array.dtype.kind != np.dtype(port.dtype).kind or not np.can_cast(array.dtype, port.dtype):
        raise FocusError(f"input '{port.name}' is {array.dtype}; {port.dtype} expected")
    if array.shape != port.shape:
        raise FocusError(f"input '{port.name}' has shape {list(array.shape)}; {list(port.shape)} expected")
    if array.dtype.kind == "i":
        low, high = (0, port.below - 1) if port.below else (np.iinfo(np.int32).min, np.iinfo(np.int32).max)
        bad = ((array < low) | (array > high)) & ~np.isin(array, placeholders)
        if bad.any():
            at = tuple(int(i) for i in np.argwhere(bad)[0])
            raise FocusError(f"input '{port.name}' {list(at)} is {array[at]}; {low}..{high} expected")
    return array


def _check_mask(mask: np.ndarray, ids: Port) -> None:
    if mask.shape != ids.shape or not (mask == 1).all():
        raise FocusError(f"input '{MASK}': only ones of shape {list(ids.shape)} are supported, no padding; got shape {list(mask.shape)}")


def _check_fixed(fixed: FixedInput, array: np.ndarray) -> None:
    """Whether an input the program was specialised to has the value it was specialised to."""
    if array.shape != fixed.shape:
        raise FocusError(f"input '{fixed.name}' has shape {list(array.shape)}; the program was compiled for {list(fixed.shape)}")
    if array.dtype.kind == "f" and np.dtype(fixed.dtype).kind == "f":       # a list's floats have 64 bits, those of the compilation 32
        array = array.astype(fixed.dtype)
    wrong = np.flatnonzero(array.reshape(-1) != np.array(fixed.values).reshape(-1))
    if len(wrong):
        raise FocusError(f"input '{fixed.name}': value {wrong[0]} is {array.reshape(-1)[wrong[0]]}; the program was compiled for "
                         f"{fixed.values[wrong[0]]}")


def _read(simulator: Any, port: Port) -> np.ndarray:
    """An output as the user gets it."""
    raw = simulator.read(port.address, port.nbytes)
    return raw.view(STORED[port.stored]).reshape(port.shape).astype(port.dtype)


def _bytes(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
