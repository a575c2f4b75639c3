# The dialect's attributes and types as Python values, and as text that parses to the same.
# RUN: %python %s | filecheck %s
from focus.dialects import focus as d
from focus.dialects.context import make_context
from focus.dialects.support import ir

with make_context(), ir.Location.unknown():
    tokens = d.TokensAttr.make(18, 30, [2, 8, 14, 10], [0, 2, 2, 2, 4, 2, 1, 8, 1, 3, 2, 9, 3, 1])
    print(tokens.V, tokens.S, tokens.run_list, tokens.grid_list[1].last, tokens.problem)
    # CHECK: 18 30 [(2, 8), (14, 10)] 15 None
    layout = d.LayoutAttr.make(tokens.grids)
    print(layout.banks, layout.block, layout.capacity, layout.problem)
    # CHECK-NEXT: [2, 2, 2] [2, 2, 2] 256 None
    type_ = d.ConcentratedType.make(30, 72, 18, layout=layout)
    print(type_.rows, type_.width, type_.slices, type_.m_tile, type_.layout == layout)
    # CHECK-NEXT: 30 72 3 1024 True
    memref = d.memref_type(64, 32, space="output", dtype="f32")
    print(memref, d.space_of(memref), d.dtype_of(memref.element_type), d.space_of(ir.MemRefType.get([2], ir.F16Type.get())) == "")
    # CHECK-NEXT: memref<64x32xf32, #focus.space<"output">> output f32 True
    for attr in (tokens, layout, d.SpaceAttr.make("input")):
        assert ir.Attribute.parse(str(attr)) == attr
    assert ir.Type.parse(str(type_)) == type_ and type(ir.Type.parse(str(type_))) is d.ConcentratedType
    try:
        ir.Attribute.parse('#focus.space<3>')
    except ir.MLIRError:
        print("rejected")
    # CHECK-NEXT: rejected
