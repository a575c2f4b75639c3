# Both dialects can be written as IRDL, from which another MLIR could load them.
# RUN: %python %s | filecheck %s
from focus.dialects import fisa, focus
from focus.dialects.context import make_context, parse_text
from focus.dialects.support import ir

with make_context(), ir.Location.unknown():
    text = str(focus.Focus._emit_module())
    parse_text(text)
    print(text)
    # CHECK: irdl.dialect @focus {
    # CHECK: irdl.type @concentrated {
    # CHECK: irdl.operation @linear {
    # CHECK: irdl.operands(x: %{{.*}}, weight: %{{.*}}, bias: optional
    # CHECK: irdl.operation @sic_gather
    text = str(fisa.Fisa._emit_module())
    parse_text(text)
    print(text)
    # CHECK: irdl.dialect @fisa {
    # CHECK: irdl.operation @agu_stride
