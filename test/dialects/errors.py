# Errors name the file, the line, the op and the module path.
# RUN: %python %s %t | filecheck %s
import sys
from pathlib import Path

from focus.dialects.context import make_context, parse_file, parse_text
from focus.dialects.support import FocusError, OpError, collect, ir, verify, walk


def wrong(call, *args):
    try:
        call(*args)
        print("no error")
    except FocusError as e:
        print("|", str(e).replace(str(folder), "DIR"))


folder = Path(sys.argv[1])
folder.mkdir(exist_ok=True)
(folder / "bad.mlir").write_text('module {\n  "focus.add"() : () -> ()\n}\n')
(folder / "syntax.mlir").write_text('module {\n')
with make_context() as context, ir.Location.unknown():
    wrong(parse_file, folder / "bad.mlir")
    # CHECK: | DIR/bad.mlir:2:3: 'focus.add' op expects 2 operands (a, b), but has 0
    wrong(parse_file, folder / "syntax.mlir")
    # CHECK-NEXT: | DIR/syntax.mlir:1:9: expected operation name in quotes
    (folder / "bytes.mlir").write_text('module attributes {\n  a = "\\C3\\A9", b = "\\\\FF", c = "\\C3("} {}\n')
    wrong(parse_file, folder / "bytes.mlir")
    # CHECK-NEXT: | DIR/bytes.mlir:2: a string is no UTF-8: \C3
    wrong(parse_text, 'func.func @main() attributes {focus.ports = loc("a":1:2)} { return }', "text")
    # CHECK-NEXT: | text: an attribute of a function is of a kind that MLIR's bindings cannot read: (): incompatible function arguments.
    concat = "func.func @f(%a: tensor<2x8xf16>) {{\n  %c = {} : (tensor<2x8xf16>, tensor<2x8xf16>) -> tensor<4x8xf16>\n  return\n}}"
    for text in ("tensor.concat dim(-1) %a, %a", '"tensor.concat"(%a, %a)\n  <{dim = - 2147483648 : i64}>', '"tensor.concat"(%a, %a) {dim = 0xFFFFFFFFFFFFFFFF : i64}',
                 "tensor.concat dim(0) %a, %a", "tensor.concat dim(7) %a, %a"):
        wrong(parse_text, concat.format(text), "text")
    # CHECK-NEXT: | text:2: tensor.concat: a dimension of 0 or more expected, got '-1'
    # CHECK-NEXT: | text:3: tensor.concat: a dimension of 0 or more expected, got '- 2147483648'
    # CHECK-NEXT: | text:2: tensor.concat: a dimension of 0 or more expected, got '0xFFFFFFFFFFFFFFFF'
    # CHECK-NEXT: no error
    # CHECK-NEXT: | text:2:8: 'tensor.concat' op concatenation dim must be less than the tensor rank
    wrong(parse_file, folder / "absent.mlir")
    # CHECK-NEXT: | DIR/absent.mlir: cannot read: No such file or directory
    wrong(parse_text, '"focus.add"() : () -> () loc("layers.3.self_attn")', "text")
    # CHECK-NEXT: | text: 'focus.add' op expects 2 operands (a, b), but has 0 (layers.3.self_attn)
    module = parse_text('%0 = "focus.param"() {name = "w", row_order = "as_is"} : () -> tensor<2xf16> loc("layers.3.w")')
    param = walk(module, "focus.param")[0]
    print(OpError(param, "is too wide, expected at most 1"))
    # CHECK-NEXT: 'focus.param' op is too wide, expected at most 1 (layers.3.w)
    param.name = ""
    wrong(verify, module)
    # CHECK-NEXT: | 'focus.param' op attribute 'name' must not be empty (layers.3.w)
    with collect(context, "file") as found:
        param.location.emit_error("one")
        ir.Location.file("x.mlir", 3, 4).emit_error("two")
    print([str(d) for d in found])
    # CHECK-NEXT: ['file: error: one (layers.3.w)', 'x.mlir:3:4: error: two']
