# What a pass may do wrong, and what its user sees: one diagnostic with op and module path, never a crash.
# RUN: %python %s | filecheck %s
from focus.dialects.context import make_context, parse_text
from focus.dialects.support import FocusError, OpError, ir, walk
from focus.passes.manager import PassFailed, register_pass, run


@register_pass("test-op-error")
def op_error(module):
    """Reject an op."""
    raise OpError(walk(module, "focus.param")[0], "is not supported, expected another")


@register_pass("test-error")
def error(module):
    """Reject the module."""
    raise FocusError("machine.toml: [array] rows is -1, expected a positive number")


@register_pass("test-false")
def returns_false(module):
    """Report and return False."""
    walk(module, "focus.param")[0].location.emit_error("reported by hand")
    return False


@register_pass("test-bug")
def bug(module):
    """A pass with a bug."""
    return {}["key"]


@register_pass("test-invalid")
def invalid(module):
    """Leave IR that does not verify."""
    walk(module, "focus.param")[0].name = ""


text = 'func.func @a() { %0 = "focus.param"() {name = "w", row_order = "as_is"} : () -> tensor<2xf16> loc("layers.3.w") return }'
for name in ("test-op-error", "test-error", "test-false", "test-bug", "test-invalid"):
    with make_context(), ir.Location.unknown():
        module = parse_text(text)
        try:
            run(module, f"symbol-dce,{name}")
        except PassFailed as e:
            print(e.pass_name, "|", e, "|", type(e.__cause__).__name__, len(e.diagnostics))
# CHECK: test-op-error | 'focus.param' op is not supported, expected another (layers.3.w) | NoneType 1
# CHECK-NEXT: test-error | machine.toml: [array] rows is -1, expected a positive number | NoneType 1
# CHECK-NEXT: test-false | reported by hand (layers.3.w) | NoneType 1
# CHECK-NEXT: test-bug | pass 'test-bug' raised KeyError: 'key' (manager-failures.py:30) | KeyError 1
# CHECK-NEXT: test-invalid | 'focus.param' op attribute 'name' must not be empty (layers.3.w) | NoneType 2

# Without verification after each pass, the broken IR goes on.
with make_context(), ir.Location.unknown():
    module = parse_text(text.replace('"w"', '"w2"'))
    run(module, "test-invalid", verify_each=False)
    print("went on", walk(module, "focus.param")[0].name == "")
# CHECK-NEXT: went on True
