"""Tasks computed by the workers of a Ray cluster.

In: the address of a cluster that is there, whose nodes have this package in this version; a function.  Out: `Cluster`, which gives the function's
results for tasks as they are finished, and says which worker made each.

The function is pickled once, with all that it has loaded, and unpickled once in each worker: models need not be files on the other machines.  A task
whose worker or node is lost is given out again, by Ray.
"""
from __future__ import annotations

import contextlib
import hashlib
import importlib.util
import io
import logging
import marshal
import os
import socket
import sys
from collections.abc import Callable, Iterator, Mapping
from types import CellType, FunctionType
from typing import Any

import numpy as np

from focus.runtime.spec.errors import FocusError, first_line

RETRIES = 3                             #: how often one task is given out again after its worker was lost
USER_MODULES = "focus_user_"            #: begins the names of the modules that FILE.py:FUNCTION makes: no worker can import them


class Cluster:
    """A function on the workers of a cluster; a context manager.  Raises FocusError where there is no Ray, no cluster at the address, or no worker.

    address: "HOST:PORT" of the head, "auto" on a machine of the cluster, or "ray://HOST:PORT" of its client server.
    """

    def __init__(self, address: str, function: Callable[[Any], Any], source: str):
        """source: `source_key()` here, which that of every worker must be."""
        if importlib.util.find_spec("ray") is None:
            raise FocusError('--ray: Ray is not installed (pip install ".[cluster]")')
        import ray
        self.ray, self.address, self.workers = ray, address, set[str]()
        self.hushed = contextlib.redirect_stdout(sys.stderr)        # Ray reports lost workers on standard output
        self.hushed.__enter__()
        self.ours = not ray.is_initialized()
        if self.ours:
            try:
                ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
            except Exception as e:
                self.hushed.__exit__(None, None, None)
                raise FocusError(f"--ray {address}: no cluster answers there: {first_line(e)}") from e
        try:
            if not ray.cluster_resources().get("CPU"):
                raise FocusError(f"--ray {address}: the cluster has no processors to work with")
            pickled = _pickled(function)
            key = hashlib.sha256(pickled).hexdigest()
            self.sent = ray.put(np.frombuffer(pickled, np.uint8)), key, source
        except BaseException:
            self.close()
            raise
        self.work = ray.remote(num_cpus=1, max_retries=RETRIES)(_work)

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: Any) -> None:
        self.close()

    def close(self) -> None:
        """Leave the cluster."""
        if self.ours:
            self.ray.shutdown()
        self.hushed.__exit__(None, None, None)

    def results(self, tasks: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
        """(key, result) of each task, as they are finished.  Raises a FocusError of the function, and when workers are lost again and again."""
        pending = {self.work.remote(*self.sent, task): key for key, task in tasks.items()}
        try:
            while pending:
                done, _ = self.ray.wait(list(pending), num_returns=1)
                result, worker = self._got(done[0])
                self.workers.add(worker)
                yield pending.pop(done[0]), result
        finally:
            for reference in pending:
                self.ray.cancel(reference, force=True)

    def who(self) -> str:
        """How many workers have finished something, for whom shows progress."""
        return f"by {len(self.workers)} workers" if len(self.workers) > 1 else ""

    def _got(self, reference: Any) -> Any:
        try:
            return self.ray.get(reference)
        except self.ray.exceptions.RayTaskError as e:
            cause = e.cause
            raise FocusError(str(cause) if isinstance(cause, FocusError) else f"a task failed: {type(cause).__name__}: {first_line(cause)}") from e
        except self.ray.exceptions.RayError as e:
            raise FocusError(f"--ray {self.address}: workers were lost {RETRIES + 1} times at one task; have they enough memory? Finished rows are "
                             f"kept if a file was given for them ({first_line(e)})") from e


def _pickled(function: Callable[[Any], Any]) -> bytes:
    """A function with all that it has loaded.  Raises FocusError for what cannot be pickled."""
    from ray import cloudpickle

    class Pickler(cloudpickle.Pickler):
        def reducer_override(self, value: Any) -> Any:
            # The hooks of transformers find each other by a variable of their module, of which cloudpickle would give each function a copy.
            if isinstance(value, FunctionType) and "<locals>" in value.__qualname__ and value.__module__.startswith("transformers."):
                cells = tuple(cell.cell_contents for cell in value.__closure__ or ())
                return _function, (marshal.dumps(value.__code__), value.__module__, value.__defaults__, value.__kwdefaults__, cells)
            if hasattr(value, "_can_record_outputs") and not isinstance(value, type):
                return *value.__reduce_ex__(4)[:3], None, None, _restore_model
            return super().reducer_override(value)

    for name, module in list(sys.modules.items()):
        if name.startswith(USER_MODULES):
            cloudpickle.register_pickle_by_value(module)
    try:
        out = io.BytesIO()
        Pickler(out).dump(function)
        return out.getvalue()
    except Exception as e:
        raise FocusError(f"--ray: what is computed cannot be sent to other machines: {first_line(e)}") from e


def _function(code: bytes, module: str, defaults: tuple | None, named: dict[str, Any] | None, cells: tuple) -> FunctionType:
    """A function within a function of an installed module, with the variables of that module."""
    made = FunctionType(marshal.loads(code), vars(importlib.import_module(module)), None, defaults, tuple(map(CellType, cells)))
    made.__kwdefaults__ = named
    return made


def _restore_model(model: Any, state: dict[str, Any]) -> None:
    """Give a model its state, and enter it where transformers enters each that it makes."""
    from transformers.utils.output_capturing import _CAN_RECORD_REGISTRY
    model.__setstate__(state)
    _CAN_RECORD_REGISTRY[model] = model._can_record_outputs


_loaded: dict[str, Callable[[Any], Any]] = {}       # of this worker: the function it was last sent, by key


def _work(pickled: np.ndarray, key: str, source: str, task: Any) -> tuple[Any, str]:
    """In a worker: the function's result for a task, and the worker's name."""
    if key not in _loaded:
        from ray import cloudpickle

        from focus.compiler.evaluate.source import source_key
        if source_key() != source:
            raise FocusError(f"{socket.gethostname()} has another version of this package than the machine that gives out the work")
        if "torch" in sys.modules:
            sys.modules["torch"].set_num_threads(1)
        _loaded.clear()
        _loaded[key] = cloudpickle.loads(pickled.data)
    return _loaded[key](task), f"{socket.gethostname()}/{os.getpid()}"
