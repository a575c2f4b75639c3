"""Running a compiled program.

In: a `Binary` (from the compiler) or an `.fxb` file.  Out: `Executable`, which runs inputs through the simulator and gives outputs, the
trace of what was concentrated, and the report; or gives the report alone for a trace.
"""
from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from focus.runtime.run import fxb, report, trace as traces
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.errors import FocusError, one_line
from focus.runtime.run.fxb import STORED, Binary, FixedInput, Port
from focus.runtime.spec.machine import Machine
from focus.runtime.run.trace import Trace

WHOLE = (0, 2 ** 62)                        #: all cycles of a run
FLAGS = ("use_cache", "return_dict", "output_attentions", "output_hidden_states")      #: of the model's forward; they change no logits
MASK = "attention_mask"                     #: as processors give it: ones, since there is one request and no padding
Progress = Callable[[int, int], None]       #: called with (instructions done, instructions in all) a few times a second


@dataclass
class Result:
    """`outputs`: name -> array of the port's dtype and shape; `trace`: keys of docs/algorithm.md; `report`: see runtime/run/report.py.

    `timeline`, if events were asked for, is int64 [n, 4] of unit, instruction, first cycle, last cycle.
    """
    outputs: dict[str, np.ndarray]
    trace: Trace
    report: dict[str, Any]
    timeline: np.ndarray | None = None


class Executable:
    """A checked binary with a simulated machine to run it on.  Runs may be repeated; the parameters are copied to the machine once."""

    def __init__(self, binary: Binary):
        """Raises FocusError when the binary contradicts itself."""
        self.binary = binary if binary.validated else binary.validate()
        self._simulator = None
        self._parameters_written = False

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
    def load(cls, path: str | os.PathLike, weights: str | os.PathLike | None = None) -> Executable:
        """From an `.fxb` file, everything checked; `weights` says where its weights file is if not beside it.  Raises FocusError."""
        return cls(fxb.load(path, weights))

    @one_line
    def run(self, inputs: Mapping[str, Any], *, sanitize: bool = False, progress: Progress | None = None, timeline: int = 0,
            window: tuple[int, int] = WHOLE) -> Result:
        """Execute on data.  `inputs`: name -> numpy array or tensor, as the model's own forward takes them.

        Floats are rounded to fp16 on the way in; NaN, infinity, and values beyond fp16 (which become infinity) are allowed and counted in
        the report.  `sanitize` looks for accesses that hardware would get wrong: unordered ones, and reads of bytes that are unwritten or
        left from earlier kernels.  `timeline` keeps that many instructions' times, of those that start in the cycles `window`.
        Raises FocusError for an input that is missing, unknown, or of another shape, type or token layout.
        """
        if self.binary.timing_only:
            raise FocusError(f"{self.binary.model or 'the program'} was compiled without parameter values and can only be timed "
                             f"(focus-sim --timing-only, Executable.time)")
        stored, counted = self._take_inputs(inputs)
        simulator = self._prepare()
        for entry in () if self._parameters_written else self.binary.param_table:
            simulator.write(entry.address, _bytes(self.binary.param(entry)))
        self._parameters_written = True
        for port in self.binary.inputs:
            simulator.write(port.address, _bytes(stored[port.name]))
        raw = simulator.run(True, sanitize, None, progress, timeline, *window)
        lists = [simulator.read(p.address, p.nbytes).view(STORED[p.stored]) for p in self.binary.id_lists]
        found = traces.from_simulator(simulator.trace(), self.binary, lists)
        counts = [traces.unique_counts(found, site) for site in self.binary.sites]
        outputs = {port.name: self._read(port) for port in self.binary.outputs}
        return Result(outputs, found, report.build(self.binary, raw, "functional", counts, counted), raw.get("timeline"))

    @one_line
    def time(self, trace: Mapping[str, np.ndarray] | None = None, *, progress: Progress | None = None) -> dict[str, Any]:
        """The report of a run without data: the same instructions and the same times, with the data-dependent sizes from `trace`.

        A program without similarity concentration needs none.  Raises FocusError for a trace of another model.
        """
        return self.time_with_timeline(trace, progress=progress)[0]

    @one_line
    def time_with_timeline(self, trace: Mapping[str, np.ndarray] | None = None, *, progress: Progress | None = None, timeline: int = 0,
                           window: tuple[int, int] = WHOLE) -> tuple[dict[str, Any], np.ndarray | None]:
        """`time`, and the times of the first `timeline` instructions that start in the cycles `window`."""
        if trace is None and self.binary.sites:
            raise FocusError("the program merges similar vectors, so its time depends on the data: a trace is needed (--trace of focus-sim, "
                             "focus-trace)")
        if trace is not None and not isinstance(trace, Mapping):
            raise FocusError(f"trace: a dictionary of names and arrays expected, not {type(trace).__name__}")
        traces.check(trace if trace is not None else {}, self.binary)
        counts = [traces.unique_counts(trace, site) for site in self.binary.sites]
        raw = self._prepare().run(False, False, [c.reshape(-1) for c in counts], progress, timeline, *window)
        return report.build(self.binary, raw, "timing", counts), raw.get("timeline")

    # ---- inside ------------------------------------------------------------------------------------------------------
    def _prepare(self):
        """The simulated machine with the program in it."""
        if self._simulator is None:
            from focus.runtime import _sim

            b = self.binary
            self._simulator = _sim.Simulator(np.ascontiguousarray(b.text), np.ascontiguousarray(b.source), b.machine.to_json(),
                                             b.sites_json(), list(b.modules), b.lives_json())
        return self._simulator

    def _read(self, port: Port) -> np.ndarray:
        """An output as the user gets it."""
        raw = self._simulator.read(port.address, port.nbytes)
        return raw.view(STORED[port.stored]).reshape(port.shape).astype(port.dtype)

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


def _bytes(array: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(array).reshape(-1).view(np.uint8)
