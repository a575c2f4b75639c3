# Building ops from Python values, reading them back, and the errors of wrong calls.
# RUN: %python %s | filecheck %s
from focus.dialects import focus as d
from focus.dialects.context import make_context, parse_text
from focus.dialects.support import get_attr, ir, path_of, set_attr, to_text, verify, walk


def wrong(call, *args, **kw):
    try:
        call(*args, **kw)
    except TypeError as e:
        print("TypeError:", e)


with make_context(), ir.Location.unknown():
    module = ir.Module.create()
    with ir.InsertionPoint(module.body):
        x = d.ParamOp.build(name="x", results=d.tensor_type(4, 8))
        w = d.ParamOp.build(name="w", results=d.tensor_type(16, 8), loc="layers.0.gate_proj.weight")
        y = d.LinearOp.build(x, w, up_weight=w, activation="swiglu", results=[d.tensor_type(4, 16), d.tensor_type(4, 2, dtype="f32")],
                             attrs={"focus.layer": 3}, loc="layers.0.mlp.gate_proj")
        cat = d.ConcatOp.build(y.y, y.y, y.y, results=d.tensor_type(12, 16))
    verify(module)
    print(y.activation, y.bias, y.up_weight == w.result, y.moments.type, get_attr(y, "focus.layer"), get_attr(y, "other", "none"), path_of(y))
    # CHECK: swiglu None True tensor<4x2xf32> 3 none layers.0.mlp.gate_proj
    print(x.row_order, len(cat.inputs), y.operation.name)
    # CHECK-NEXT: as_is 3 focus.linear
    x.name = "renamed"
    set_attr(y, "focus.layer", None)
    set_attr(y, "scales", [1, 2])
    print(x.name, get_attr(y, "focus.layer"), get_attr(y, "scales"))
    # CHECK-NEXT: renamed None [1, 2]
    print([op.operation.name for op in walk(module, "focus.")], len(walk(module, d.ParamOp)), len(walk(module, "focus.linear")))
    # CHECK-NEXT: ['focus.param', 'focus.param', 'focus.linear'] 2 1
    print(to_text(module, locations=False))
    # CHECK: %layers.0.mlp.gate_proj:2 = "focus.linear"(%{{.*}}, %layers.0.gate_proj.weight, %layers.0.gate_proj.weight) {activation = "swiglu"
    # CHECK-NEXT: tensor.concat dim(0)
    assert to_text(parse_text(to_text(module))) == to_text(module)
    wrong(d.LinearOp.build, x, results=d.tensor_type(4, 16))
    # CHECK: TypeError: focus.linear needs operand 'weight'
    wrong(d.LinearOp.build, x, w, w, results=d.tensor_type(4, 16))
    # CHECK-NEXT: TypeError: focus.linear takes 2 operands by position, not 3; give optional ones by name
    wrong(d.ActivationOp.build, x, results=d.tensor_type(4, 8))
    # CHECK-NEXT: TypeError: focus.activation needs attribute 'kind'
    wrong(d.AddOp.build, x, x, rows=3, results=d.tensor_type(4, 8))
    # CHECK-NEXT: TypeError: focus.add has no operand or attribute 'rows'
