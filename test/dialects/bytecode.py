"""Bytecode with any one byte changed is read or refused; what MLIR's reader does not survive ends no process of ours."""
# LONG: a file for each byte that may be wrong
# RUN: %python %s %t.mlirbc | filecheck %s
# RUN: not focus-opt %t.mlirbc 2>&1 | filecheck %s --check-prefix=TOOL
# CHECK: read and refused and not survived by MLIR's reader
# TOOL: error: {{.+}}
# TOOL-NOT: Traceback
import io
import itertools
import sys
from pathlib import Path

from focus.dialects import bytecode
from focus.dialects.context import make_context, parse_file, parse_text
from focus.dialects.support import DiagnosedError, ir
from focus.runtime.spec.errors import FocusError

bytecode.SECONDS = 1
path = Path(sys.argv[1])
with make_context(), ir.Location.unknown():
    module = parse_text("""
        func.func @main(%x: tensor<8x32xf16>, %w: tensor<64x32xf16>) -> tensor<8x64xf16> {
          %0 = "focus.linear"(%x, %w) {activation = "none", operandSegmentSizes = array<i32: 1, 1, 0, 0, 0, 0>}
              : (tensor<8x32xf16>, tensor<64x32xf16>) -> tensor<8x64xf16>
          return %0 : tensor<8x64xf16>
        }""")
    stream = io.BytesIO()
    module.operation.write_bytecode(stream)
whole, context, fatal = stream.getvalue(), make_context(), None
seen = {"read": 0, "refused": 0, "not survived by MLIR's reader": 0}
for at, bit in itertools.product(range(4, len(whole)), (1, 32)):
    raw = whole[:at] + bytes([whole[at] ^ bit]) + whole[at + 1:]
    path.write_bytes(raw)
    try:
        parse_file(path, context)
        seen["read"] += 1
    except DiagnosedError:
        seen["refused"] += 1
    except FocusError as e:
        if "MLIR's reader" in str(e):
            seen["not survived by MLIR's reader"] += 1
            fatal = raw
        else:
            assert "no UTF-8" in str(e) or "without saying why" in str(e), e
            seen["refused"] += 1
print(*(what for what, times in seen.items() if times), sep=" and ")
path.write_bytes(fatal)
print(seen, file=sys.stderr)
