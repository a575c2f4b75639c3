"""Whether a mapping is legal for an op, and which of its kernels is which.

In: the parts of an op (`parts.Context`), a target, and the mapping that the op has.  Out: `check`, an error for one that is not legal, whoever
wrote it; `assigned`, the form of each of its kernels.
"""
from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from focus.dialects.mapping import GemmMapping, KernelMapping, Mapping
from focus.passes.kernels.forms import Form, GemmForm
from focus.passes.kernels.places import ceil
from focus.passes.mapping.parts import Choice
from focus.passes.mapping.space import Target, problem
from focus.runtime.spec.errors import FocusError


def rest_of(target: Target, form: Form, mapping: KernelMapping) -> GemmForm | None:
    """The form of the columns left over after whole n-tiles, where the result is gathered."""
    if not isinstance(form, GemmForm) or not isinstance(mapping, GemmMapping) or not form.gathered:
        return None
    cols = target.geometry.cols
    rest = ceil(form.n, cols) % (mapping.n // cols)
    return replace(form, n=form.n - (ceil(form.n, cols) - rest) * cols) if rest else None


def check(target: Target, parts: list[list[Choice]], mapping: Mapping) -> None:
    """Raise FocusError where a given mapping is not legal for an op of these parts."""
    for form, kernel in assigned(target, parts, mapping):
        wrong = problem(target, form, kernel)
        if wrong:
            raise FocusError(f"its mapping is not legal: {wrong}")


def assigned(target: Target, parts: list[list[Choice]], mapping: Mapping) -> Iterator[tuple[Form, KernelMapping]]:
    """The kernels of an op of these parts with their mappings.  Raises FocusError where the mapping has others."""
    todo = list(mapping.kernels)
    for choices in parts:
        fitting = [c for c in choices if len(choices) == 1 or _matches(c, mapping, todo)]
        if not fitting:
            raise FocusError(f"has no form '{mapping.form}'; it has {', '.join(c.form for c in choices)}")
        for first in fitting[0].kernels:
            form: Form | None = first
            while form is not None:
                if not todo:
                    raise FocusError(f"its mapping has {len(mapping.kernels)} kernels, expected more")
                kernel = todo.pop(0)
                if isinstance(form, GemmForm) and getattr(kernel, "form", None) != form.half:
                    raise FocusError(f"its mapping has a kernel \"{getattr(kernel, 'form', kernel.kind)}\", expected \"{form.half}\"")
                if isinstance(form, GemmForm) and getattr(kernel, "turn", None) != form.turn:
                    raise FocusError(f"its mapping has a kernel of turn \"{getattr(kernel, 'turn', '')}\", expected \"{form.turn}\"")
                yield form, kernel
                form = rest_of(target, form, kernel)
    if todo:
        raise FocusError(f"its mapping has {len(mapping.kernels)} kernels, expected {len(mapping.kernels) - len(todo)}")


def _matches(choice: Choice, mapping: Mapping, todo: list[KernelMapping]) -> bool:
    """Whether a mapping takes this choice: by the form of the op, or by that of the next kernel."""
    turned = bool(todo) and getattr(todo[0], "turn", "none") == "across"
    if choice.form == "turned" or turned:
        return turned and choice.form == "turned"
    if choice.form in ("at_once", "halves"):
        return bool(todo) and (getattr(todo[0], "form", "") == "gate") == (choice.form == "halves")
    return choice.form == mapping.form
