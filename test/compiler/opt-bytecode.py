# focus-opt reads MLIR bytecode files.
# RUN: %python %s %t.mlirbc && focus-opt %t.mlirbc | filecheck %s
# CHECK: "focus.param"() {name = "w", row_order = "as_is"}
import sys

from focus.dialects.context import make_context, parse_text
from focus.dialects.support import ir

with make_context(), ir.Location.unknown():
    module = parse_text('%0 = "focus.param"() {name = "w", row_order = "as_is"} : () -> tensor<2xf16>')
    with open(sys.argv[1], "wb") as f:
        module.operation.write_bytecode(f)
