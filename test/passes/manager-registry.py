# A pass is a function with typed keyword-only options; pipelines set them, defaults fill them, anchors are found.
# RUN: %python %s | filecheck %s
from collections.abc import Sequence
from typing import Any

from focus.dialects.context import make_context, parse_text
from focus.dialects.support import FocusError, ir, walk
from focus.passes.manager import Step, parse_pipeline, register_pass, run


@register_pass("test-show", anchor="func.func", help={"scale": "a factor"})
def show(func, *, scale: float = 1.0, layers: Sequence[int] = (), deep: bool = False, machine: str = "focus", thing: Any = None):
    """Print the options."""
    print(func.sym_name.value, scale, list(layers), deep, machine, thing)


@register_pass("test-rename")
def rename(module, *, to: str = "renamed"):
    """Rename every parameter."""
    for param in walk(module, "focus.param"):
        param.name = to


def wrong(*args, **kw):
    try:
        run(module, *args, **kw)
    except FocusError as e:
        print(type(e).__name__, "|", e)


with make_context(), ir.Location.unknown():
    module = parse_text("""
      func.func @a() -> tensor<2xf16> { %0 = "focus.param"() {name = "w", row_order = "as_is"} : () -> tensor<2xf16> return %0 : tensor<2xf16> }
      func.func @b() { return }""")
    run(module, "test-show{scale=2 layers=1,2 deep}")
    # CHECK: a 2.0 [1, 2] True focus None
    # CHECK-NEXT: b 2.0 [1, 2] True focus None
    run(module, parse_pipeline("builtin.module(func.func(test-show{layers= deep=false}, cse))", {"machine": "dense", "unused": 1}))
    # CHECK-NEXT: a 1.0 [] False dense None
    # CHECK-NEXT: b 1.0 [] False dense None
    seconds = run(module, [Step("test-show", {"thing": {"k": 1}}), "cse", Step("test-rename")], progress=lambda name: print("run", name))
    # CHECK-NEXT: run test-show
    # CHECK-NEXT: a 1.0 [] False focus {'k': 1}
    # CHECK-NEXT: b 1.0
    # CHECK-NEXT: run cse
    # CHECK-NEXT: run test-rename
    print([name for name, s in seconds if s >= 0], walk(module, "focus.param")[0].name)
    # CHECK-NEXT: ['test-show', 'cse', 'test-rename'] renamed
    print([str(step) + " on " + "/".join(step.path) for step in parse_pipeline("test-show,func.func(canonicalize{top-down=false})")])
    # CHECK-NEXT: ['test-show on builtin.module/func.func', 'canonicalize{top-down=false} on builtin.module/func.func']
    wrong("test-show{thing=1}")
    # CHECK-NEXT: PipelineError | pipeline: option 'thing' of pass 'test-show' is '1', expected object
    wrong("test-show{deep=maybe}")
    # CHECK-NEXT: PipelineError | pipeline: option 'deep' of pass 'test-show' is 'maybe', expected bool
    wrong("test-show{layers=1,b}")
    # CHECK-NEXT: PipelineError | pipeline: option 'layers' of pass 'test-show' is '1,b', expected list of int
    wrong([Step("test-show", {"speed": 1})])
    # CHECK-NEXT: PipelineError | pipeline: pass 'test-show' has no option 'speed'
    wrong([Step("no-such-pass")])
    # CHECK-NEXT: PipelineError | pipeline: there is no pass 'no-such-pass'
    try:
        register_pass("test-bad")(lambda op, option: None)
    except TypeError as e:
        print(e)
    # CHECK-NEXT: pass 'test-bad': option 'option' must be keyword-only, with an annotation and a default
