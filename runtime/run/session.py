"""A conversation: requests whose keys and values stay on the simulated machine, and the tokens that follow them.

In: an `Executable` whose binary has the entry "decode" (and "extend" for follow-ups), and the inputs of one request or several.  Out: `Session`,
which has prefilled them and goes on token by token, all on one simulated DRAM; `Generation`, tokens and a report of what they took; and `timed`, the
same report without data.

Each run of an entry is a program of its own, from cycle 0 to its end; its step register holds how many tokens the caches have beyond the
prefill.  The host takes the arg-max: it reads the logits and writes the token ids (`host_bytes`).
"""
from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import ValidationError
from safetensors.numpy import save_file

from focus.runtime.run import report
from focus.runtime.run.fxb import STORED, Binary, open_mapped
from focus.runtime.spec.errors import FocusError, one_line, path_of
from focus.runtime.spec.files import atomic_write
from focus.runtime.spec.schema import Number, Record, explain

if TYPE_CHECKING:
    from focus.runtime.run.executable import Executable, Result

KEPT = "focus session 1"                    #: format of a file of a session
DECODE, EXTEND = "decode", "extend"         #: the entries for one new token of each request, and for a piece of a follow-up


@dataclass
class Generation:
    """`tokens`: of each request, those generated, a stop token included.  `results`: of each request, what its prefill gave.  `report`: see
    `summary`."""
    tokens: list[list[int]]
    results: list[Result]
    report: dict[str, Any]


class _State(Record):
    """What a file of a session says beside its tensors."""
    program: str
    requests: list[str]
    length: Number
    asked: Number
    new: list[list[int]]
    prefills: list[dict[str, Any]]
    runs: list[tuple[str, dict[str, Any]]]


class Session:
    """Requests under way.  A context manager: it holds a simulated machine of its own until it is closed.  It does one thing at a time: a call
    while another is under way, from a second thread or from `progress`, is refused.

    `results`: of each request's prefill, none where it was restored; `prefills`: their reports; `logits` float32 [requests, vocabulary]: of the
    token that comes next; `runs`: name and report of each run of an entry, in order; `length`: tokens in the caches after those of the prefill.
    """

    @one_line
    def __init__(self, exe: Executable, inputs: Mapping[str, Any] | Sequence[Mapping[str, Any]], *, sanitize: bool = False,
                 kept: str | os.PathLike | None = None):
        """Prefill the requests, as many as the program was compiled for; or go on where `save` has left off (`kept`, its file).  Raises FocusError,
        as `Executable.run` does, and for a file of another program or of other requests."""
        self.exe, self.sanitize = exe, sanitize
        self.step = entry_of(exe.binary, DECODE)
        if not isinstance(inputs, (Mapping, list, tuple)):
            raise FocusError(f"inputs: a dictionary of names and arrays, or a list of such expected, got {type(inputs).__name__}")
        if not isinstance(sanitize, (bool, np.bool_)):
            raise FocusError(f"sanitize: True or False expected, got {type(sanitize).__name__}")
        requests = [inputs] if isinstance(inputs, Mapping) else list(inputs)
        if len(requests) != exe.binary.steps:
            raise FocusError(f"the program was compiled for {exe.binary.steps} requests side by side, got {len(requests)}")
        self.count = len(requests)
        self.runs: list[tuple[str, dict[str, Any]]] = []
        self.length = 0
        self.asked = 0                                  # tokens of follow-ups
        self.new: list[list[int]] = [[] for _ in requests]
        self.pending: np.ndarray | None = None          # int64 [requests, n]: tokens that are in no cache yet
        self._closed = False
        self._busy = threading.Lock()
        self._open = ExitStack()
        self._engine = self._open.enter_context(exe.engine(waits=False))
        self.results: list[Result] = []
        try:
            self.digests = [exe.digest_of(given) for given in requests]
            for cache in exe.binary.memory_map.caches:
                self._engine.simulator.forget(cache.address, cache.nbytes)
            if kept is not None:
                self._restore(Path(path_of(kept, "kept")))
                return
            self.results = [exe.prefill(self._engine, given, number, sanitize) for number, given in enumerate(requests)]
        except BaseException:
            self.close()
            raise
        self.prefills = [result.report for result in self.results]
        self.logits = np.concatenate([r.outputs[exe.binary.outputs[0].name] for r in self.results])

    def __enter__(self) -> Session:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the simulated machine back, when a call that is under way has ended; the caches are lost.  More than once does no harm."""
        self._closed = True
        if self._busy.acquire(blocking=False):
            self._open.close()
            self._busy.release()

    @property
    def limit(self) -> int:
        """Tokens that may follow the requests, generated and asked."""
        return most_new(self.exe.binary)

    @one_line
    def generate(self, count: int, eos: int | Iterable[int] = (), progress: Callable[[int, int], None] | None = None) -> list[list[int]]:
        """The next tokens of each request, at most `count`, each the most probable one (of several, the first); a request stops after a token of
        `eos`, and for good if another goes on.  `progress` is called with (tokens done, in all).  Raises FocusError for more tokens than the program
        has room for."""
        stops = {eos} if _whole(eos) else eos
        if not isinstance(stops, (list, tuple, set, frozenset)) or not all(map(_whole, stops)):
            raise FocusError(f"eos: a token id, or a list of such expected, got {type(eos).__name__}")
        if progress is not None and not callable(progress):
            raise FocusError(f"progress: a function expected, got {type(progress).__name__}")
        if not _whole(count) or count < 1:
            raise FocusError(f"max_new_tokens is {count!r}; a number of at least 1 expected")
        with self._alone():
            self._check_room(count)
            before = [len(tokens) for tokens in self.new]
            done = [len(tokens) < max(before) for tokens in self.new]
            for number in range(count):
                if self.pending is not None:
                    self._advance()
                chosen = self.logits.argmax(-1)
                self.pending = chosen[:, None].astype(np.int64)
                for tokens, token, over in zip(self.new, chosen, done):
                    if not over:
                        tokens.append(int(token))
                done = [over or int(token) in stops for over, token in zip(done, chosen)]
                if progress is not None:
                    progress(number + 1, count)
                if all(done):
                    break
            return [tokens[at:] for tokens, at in zip(self.new, before)]

    @one_line
    def ask(self, ids: Any) -> np.ndarray:
        """Text that goes on with the requests: token ids int [requests, n].  Returns the logits float32 [requests, vocabulary] after its last token.

        Only these tokens, and the last one that was generated, are computed.  Raises FocusError for a program without the entry "extend", for more
        tokens than there is room for, ids outside the vocabulary, and requests that have not all got as far.
        """
        extend = entry_of(self.exe.binary, EXTEND)
        try:
            array = np.atleast_2d(np.asarray(ids))
        except (TypeError, ValueError, RuntimeError):       # of lists of several lengths, of a tensor that is sparse
            raise FocusError(f"ids: integers of shape [{self.count}, n] expected, got {type(ids).__name__}") from None
        if array.ndim != 2 or array.dtype.kind not in "iu" or len(array) != self.count or not array.shape[1]:
            raise FocusError(f"ids: integers of shape [{self.count}, n] expected, got {array.dtype} {list(array.shape)}")
        below = extend.inputs[0].below
        if below is not None and (array.min() < 0 or array.max() >= below):
            raise FocusError(f"ids: token ids of 0..{below - 1} expected, got {int(array.min() if array.min() < 0 else array.max())}")
        with self._alone():
            if len({len(tokens) for tokens in self.new}) > 1:
                raise FocusError("the requests have generated different numbers of tokens; a follow-up goes on with requests that have all got "
                                 "as far")
            self._check_room(array.shape[1])
            before = self.length, self.logits
            try:
                whole = array.astype(np.int64)
                self._extend(whole if self.pending is None else np.concatenate([self.pending, whole], 1))
            except BaseException:                           # as if it had not been asked: the next tokens overwrite its rows
                self.length, self.logits = before
                raise
            self.pending = None
            self.asked += array.shape[1]
            return self.logits

    def summary(self) -> dict[str, Any]:
        """What the session has taken so far: see `summary`."""
        return summary(self.exe.binary, self.prefills, self.runs, max(map(len, self.new)))

    @one_line
    def save(self, path: str | os.PathLike) -> None:
        """Write what the caches hold and how far the requests are, so that another session of the same program goes on from there, as if it were
        this one.  A safetensors file, written whole or not at all.  Raises FocusError."""
        with self._alone(), atomic_write(path_of(path, "path")) as temporary:
            self._save(temporary)

    def _save(self, path: Path) -> None:
        tensors = {"logits": self.logits} | ({} if self.pending is None else {"pending": self.pending})
        for cache in self.exe.binary.memory_map.caches:
            tensors[f"cache/{cache.name}"] = self._engine.simulator.read(cache.address, cache.nbytes).view(STORED[cache.stored]).reshape(cache.shape)
        state = {"program": self.exe.binary.fingerprint, "requests": self.digests, "length": self.length, "asked": self.asked, "new": self.new,
                 "prefills": self.prefills, "runs": self.runs}
        save_file(tensors, path, {"format": KEPT, "state": json.dumps(state)})

    def _restore(self, path: Path) -> None:
        """Go on where a session has left off.  Raises FocusError for a file of another program, or of other requests."""
        tensors, metadata = open_mapped(path)
        try:
            if metadata.get("format") != KEPT:
                raise FocusError(f"format is {metadata.get('format')!r}; '{KEPT}' expected")
            state = _State.model_validate_json(metadata.get("state", ""))
            if state.program != self.exe.binary.fingerprint:
                raise FocusError("these caches are of another program")
            if state.requests != self.digests:
                raise FocusError("these caches are of other requests: the inputs that were prefilled are not those given")
            self.length, self.asked, self.new = state.length, state.asked, state.new
            self.prefills, self.runs = state.prefills, state.runs
            self._take_tensors(tensors)
            self._check_state()
        except ValidationError as e:
            raise FocusError(f"{path}: {explain(e)}") from None
        except FocusError as e:
            raise FocusError(f"{path}: {e}") from None

    def _check_state(self) -> None:
        """Whether what a file says of the requests is what a session may have come to.  Raises FocusError."""
        below = self.step.inputs[0].below or 1 << 31
        ids = [token for tokens in self.new for token in tokens] + ([] if self.pending is None else self.pending.flatten().tolist())
        if not all(0 <= token < below for token in ids):
            raise FocusError(f"token ids of 0..{below - 1} expected in 'new' and 'pending'")
        said = max(map(len, self.new)) + self.asked
        if self.used != said or said > self.limit:
            raise FocusError(f"{self.used} tokens in the caches and pending, {said} generated and asked; as many of both expected, at most "
                             f"{self.limit}")
        try:
            self.summary()
            known = len(self.prefills) == self.count and all(name in self.exe.binary.entries for name, _ in self.runs)
        except (ArithmeticError, LookupError, TypeError):
            known = False
        if not known:
            raise FocusError("'prefills' and 'runs' are no reports of this program")

    def _take_tensors(self, tensors: Mapping[str, np.ndarray]) -> None:
        out = self.exe.binary.outputs[0]
        wanted: dict[str, tuple[tuple[int, ...], str]] = {"logits": ((self.count, out.shape[-1]), "float32")}
        wanted |= {"pending": ((self.count, 1), "int64")} if "pending" in tensors else {}
        wanted |= {f"cache/{c.name}": (c.shape, str(STORED[c.stored])) for c in self.exe.binary.memory_map.caches}
        for name, (shape, dtype) in wanted.items():
            if name not in tensors or tensors[name].shape != shape or str(tensors[name].dtype) != dtype:
                raise FocusError(f"tensor '{name}' is missing or not {dtype} {list(shape)}")
        self.logits = np.array(tensors["logits"])
        self.pending = np.array(tensors["pending"]) if "pending" in tensors else None
        if len(self.new) != self.count:
            raise FocusError(f"'new' is of {len(self.new)} requests; {self.count} expected")
        for cache in self.exe.binary.memory_map.caches:                # only what is held: a sanitized run reports who reads more
            rows = np.asarray(tensors[f"cache/{cache.name}"]).reshape(cache.requests, cache.capacity, -1)[:, :cache.lead + cache.held + self.length]
            for number, mine in enumerate(rows):
                at = cache.address + number * cache.capacity * cache.row_bytes
                self._engine.simulator.write(at, np.ascontiguousarray(mine).reshape(-1).view(np.uint8))

    # ---- inside ------------------------------------------------------------------------------------------------------
    @property
    def used(self) -> int:
        """Tokens that follow the requests: those in the caches, and one that was chosen and is in none yet."""
        return self.length + (self.pending is not None)

    def _check_room(self, count: int) -> None:
        if self.used + count > self.limit:
            raise FocusError(f"{count} more tokens after {self.used}: the program was compiled for at most {self.limit} new tokens (max_new_tokens)")

    @contextmanager
    def _alone(self) -> Iterator[None]:
        """Nothing else happens to the session meanwhile.  Raises FocusError when it is closed, or a call is under way."""
        if not self._busy.acquire(blocking=False):
            raise FocusError("the session is in use: another call has not ended yet")
        try:
            self._check_open()
            yield
        finally:
            self._busy.release()
            if self._closed:                                # meanwhile
                self.close()

    def _check_open(self) -> None:
        if self._closed:
            raise FocusError("the session is closed")

    def _advance(self) -> None:
        """Put the pending token of each request through the decoder."""
        self.logits = self._run(DECODE, self.pending)
        self.length += 1

    def _extend(self, ids: np.ndarray) -> None:
        """Put token ids [requests, n] through the decoder, a piece at a time."""
        piece = self.exe.binary.entries[EXTEND].inputs[0].shape[1]
        for at in range(0, ids.shape[1], piece):
            part = ids[:, at:at + piece]
            padded = np.zeros((len(ids), piece), np.int64)
            padded[:, :part.shape[1]] = part
            logits = self._run(EXTEND, padded).reshape(len(ids), piece, -1)
            self.logits = logits[:, part.shape[1] - 1]
            self.length += part.shape[1]

    def _run(self, name: str, ids: np.ndarray | None) -> np.ndarray:
        """Run an entry on token ids; logits float32 [rows, vocabulary]."""
        self._check_open()
        assert ids is not None
        entry, simulator = self.exe.binary.entries[name], self._engine.entry(name)
        port, out = entry.inputs[0], entry.outputs[0]
        simulator.write(port.address, np.ascontiguousarray(ids, STORED[port.stored]).reshape(-1).view(np.uint8))
        kept = [(cache.address, cache.nbytes) for cache in entry.memory_map.caches]
        raw = simulator.run(True, self.sanitize, step=self.length, kept=kept, max_instructions=self.exe.budget.instructions,
                            max_bytes=self.exe.budget.bytes)
        self.runs.append((name, report.build(entry, raw, "functional", [])))
        return simulator.read(out.address, out.nbytes).view(STORED[out.stored]).reshape(out.shape).astype(np.float32)


def _whole(value: Any) -> bool:
    """Whether it is a whole number."""
    return isinstance(value, (int, np.integer)) and not isinstance(value, bool)


def entry_of(binary: Binary, name: str) -> Binary:
    """An entry of a binary.  Raises FocusError for one without it."""
    if name not in binary.entries:
        how = "max_new_tokens" if name == DECODE else "follow_up"
        raise FocusError(f"{binary.model or 'the program'} has no entry '{name}': compile it with {how} (--{how.replace('_', '-')}), scope whole")
    return binary.entries[name]


def most_new(binary: Binary) -> int:
    """Tokens that may follow the requests of a program."""
    return entry_of(binary, EXTEND if EXTEND in binary.entries else DECODE).steps


def timed(exe: Executable, prefills: Sequence[Mapping[str, Any]], count: int) -> dict[str, Any]:
    """The report of `count` tokens, as many as there is room for, after the prefills of the requests, whose reports are given, without data."""
    binary = exe.binary
    free: SimpleQueue[Any] = SimpleQueue()          # a simulated machine for each thread: runs without data share nothing, and release the GIL
    threads = max(1, min(os.cpu_count() or 1, count - 1))
    for _ in range(threads):
        free.put(exe.timer(DECODE))

    def run(number: int) -> dict[str, Any]:
        simulator = free.get()
        try:
            return timed_entry(exe, DECODE, number, simulator)
        finally:
            free.put(simulator)

    with ThreadPoolExecutor(threads) as pool:
        steps = list(pool.map(run, range(count - 1)))
    return summary(binary, prefills, [(DECODE, step) for step in steps], count)


def timed_entry(exe: Executable, name: str, number: int, simulator: Any = None) -> dict[str, Any]:
    """The report of an entry's run without data, for caches with `number` tokens after those of the prefill.  Raises FocusError for a number that
    there is no room for."""
    entry = entry_of(exe.binary, name)
    if isinstance(number, bool) or not isinstance(number, (int, np.integer)) or not 0 <= number < entry.steps:
        raise FocusError(f"step is {number!r}; entry '{name}' was compiled for 0 to {entry.steps - 1}")
    simulator = simulator or exe.timer(name)
    raw = simulator.run(False, False, [], step=number, max_instructions=exe.budget.instructions, max_bytes=exe.budget.bytes)
    return report.build(entry, raw, "timing", [])


def summary(binary: Binary, prefills: Sequence[Mapping[str, Any]], runs: Sequence[tuple[str, Mapping[str, Any]]], tokens: int) -> dict[str, Any]:
    """What `tokens` generated for each request took; `runs`: name and report of each run of an entry.

    requests, prompt_tokens, new_tokens; time_to_first_token_s, of all requests' prefills.  Of the runs of "decode": steps, how many;
    token_s (seconds for a token of every request), tokens_per_s (of all requests), token_j (joules for one token of one request), cycles,
    dram_bytes, energy_j, step_cycles; host_bytes, of logits and ids; bound: the cycles that the array needs to load its weight tiles and that DRAM
    needs to move the bytes, and the share of the larger one in the cycles.  follow_up_s, of the runs of "extend".  total_s and total_j, of
    everything.  cache_bytes of a request after its prefill, by layer, and their sum.  utilization of the array in prefill and decode; prefill_busy:
    shares of a prefill's cycles in which the array has work, and that DRAM needs to move the bytes.
    """
    machine, steps = binary.machine, [r for name, r in runs if name == DECODE]
    asked = [r for name, r in runs if name == EXTEND]
    seconds = sum(p["seconds"] for p in prefills)
    cycles, moved, joules, passes = (sum(s[key] for s in steps) for key in ("cycles", "dram_bytes", "energy_j", "passes"))
    array = passes * machine.timing.array(1)
    bandwidth = machine.dram.bytes_per_second / machine.frequency_hz
    dram = moved / bandwidth
    caches = binary.memory_map.caches
    layers = sorted({int(cache.name.split(".")[1]) for cache in caches})
    by_layer = [sum(c.held * c.row_bytes for c in caches if int(c.name.split(".")[1]) == layer) for layer in layers]
    macs = sum(s["macs"] for s in steps)
    whole = cycles * machine.array.rows * machine.array.cols
    out, ids = binary.entries[DECODE].outputs[0], binary.entries[DECODE].inputs[0]
    return {
        "requests": len(prefills), "prompt_tokens": binary.tokens.S if binary.tokens is not None else 0, "new_tokens": tokens,
        "time_to_first_token_s": seconds, "steps": len(steps),
        "token_s": cycles / machine.frequency_hz / len(steps) if steps else 0.0,
        "tokens_per_s": len(prefills) * len(steps) * machine.frequency_hz / cycles if cycles else 0.0,
        "token_j": joules / len(steps) / len(prefills) if steps else 0.0,
        "cycles": cycles, "dram_bytes": moved, "energy_j": joules, "follow_up_s": sum(r["seconds"] for r in asked),
        "total_s": sum(r["seconds"] for r in (*prefills, *steps, *asked)), "total_j": sum(r["energy_j"] for r in (*prefills, *steps, *asked)),
        "cache_bytes": sum(by_layer), "cache_bytes_by_layer": by_layer, "host_bytes": (out.nbytes + ids.nbytes) * len(steps),
        "utilization": {"prefill": prefills[0]["utilization"], "decode": macs / whole if whole else 0.0},
        "prefill_busy": {"array": prefills[0]["units"]["array"]["busy"] / prefills[0]["cycles"],
                         "dram": prefills[0]["dram_bytes"] / bandwidth / prefills[0]["cycles"]},
        "bound": {"array_cycles": array, "dram_cycles": dram, "by": "array" if array >= dram else "dram",
                  "share": max(array, dram) / cycles if cycles else 0.0},
        "step_cycles": [s["cycles"] for s in steps],
    }
