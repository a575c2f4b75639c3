# RUN: %python %s
"""`replace` and what it erases: an op goes when no result of it is used any more; a function's argument has no op."""
from torch_mlir import ir

from focus.dialects.context import make_context
from focus.dialects.support import walk
from focus.passes.tensor.tensor_ir import replace

TEXT = """
func.func @main(%x: tensor<3x8xf16>, %y: tensor<3x8xf16>) -> (tensor<3x8xf16>, tensor<3x2xf32>) {
  %w = "focus.param"() {name = "w", row_order = "as_is"} : () -> tensor<8x8xf16>
  %z:2 = "focus.linear"(%x, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>}
      : (tensor<3x8xf16>, tensor<8x8xf16>) -> (tensor<3x8xf16>, tensor<3x2xf32>)
  %s = "focus.add"(%z#0, %x) : (tensor<3x8xf16>, tensor<3x8xf16>) -> tensor<3x8xf16>
  return %s, %z#1 : tensor<3x8xf16>, tensor<3x2xf32>
}
"""

with make_context():
    module = ir.Module.parse(TEXT)
    function = next(iter(module.body))
    x, y = function.entry_block.arguments
    linear, total = walk(module, "focus.linear")[0].operation, walk(module, "focus.add")[0].operation
    replace(linear.results[0], y)                       # its moments are returned
    assert len(walk(module, "focus.linear")) == 1 and total.operands[0] == y
    replace(y, x)                                       # no op
    assert total.operands[0] == x
    moments = ir.Operation.create("focus.param", results=[linear.results[1].type], attributes={
        "name": ir.StringAttr.get("m"), "row_order": ir.StringAttr.get("as_is")}, ip=ir.InsertionPoint(total), loc=total.location)
    replace(linear.results[1], moments.result)          # the last result that was used
    assert not walk(module, "focus.linear")
    assert module.operation.verify()
