"""Model families the front end knows, by `config.model_type`.

In: a model.  Out: its `Family`.  A new family is one file with one `Family` subclass and one line here.
"""
from __future__ import annotations

from torch import nn

from focus.compiler.frontend.families.base import Family, Plan
from focus.compiler.frontend.families.internvl import InternVL
from focus.compiler.frontend.families.llava import Llava
from focus.compiler.frontend.families.llava_next import LlavaNext
from focus.compiler.frontend.families.llava_next_video import LlavaNextVideo
from focus.compiler.frontend.families.llava_onevision import LlavaOnevision
from focus.compiler.frontend.families.qwen2_5_vl import Qwen25VL
from focus.compiler.frontend.families.qwen2_vl import Qwen2VL
from focus.compiler.frontend.families.qwen3_vl import Qwen3VL
from focus.runtime.spec.errors import FocusError

__all__ = ["FAMILIES", "Family", "Plan", "family_of"]

FAMILIES: dict[str, Family] = {family.model_type: family for family in (
    LlavaOnevision(), Qwen25VL(), Qwen2VL(), Qwen3VL(), InternVL(), Llava(), LlavaNext(), LlavaNextVideo())}


def family_of(model: nn.Module) -> Family:
    """The family of `model`; FocusError, listing what is supported, when there is none."""
    kind = getattr(getattr(model, "config", None), "model_type", None)
    names = [c.__name__ for c in type(model).__mro__]
    family = FAMILIES.get(kind) if isinstance(kind, str) else None
    if family is None or family.class_name not in names:
        known = ", ".join(f"{f.class_name} (model_type '{f.model_type}')" for f in FAMILIES.values())
        raise FocusError(f"unknown model {names[0]}" + (f" (model_type '{kind}')" if kind else "") + f"; supported: {known}")
    return family
