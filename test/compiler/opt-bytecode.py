# focus-opt reads MLIR bytecode files.
# RUN: %python %s %t.mlirbc && focus-opt %t.mlirbc | filecheck %s
# RUN: not focus-opt %t.mlirbc.bad 2>&1 | filecheck %s --check-prefix=BAD
# BAD: damaged bytecode: MLIR's reader refuses it without saying why
# CHECK: "focus.param"() {name = "w", row_order = "as_is"}
import sys

from focus.dialects.context import make_context, parse_text
from focus.dialects.support import ir

with make_context(), ir.Location.unknown():
    module = parse_text('%0 = "focus.param"() {name = "w", row_order = "as_is"} : () -> tensor<2xf16>')
    with open(sys.argv[1], "wb") as f:
        module.operation.write_bytecode(f)

# Strings that are no UTF-8 end MLIR's own handling of errors.
raw = bytearray(open(sys.argv[1], "rb").read())
raw[raw.index(b"builtin") + 3] = 0xFE
with open(f"{sys.argv[1]}.bad", "wb") as f:
    f.write(raw)
