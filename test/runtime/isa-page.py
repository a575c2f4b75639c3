# docs/isa.md is what the table says, and the check notices when it is not.
# RUN: %python -m focus.runtime.tools.docs --check %root/docs
# RUN: rm -rf %t && mkdir %t && %python -m focus.runtime.tools.docs %t && %python -m focus.runtime.tools.docs --check %t
# RUN: echo more >> %t/isa.md
# RUN: not %python -m focus.runtime.tools.docs --check %t 2>&1 | filecheck %s
# CHECK: error: {{.*}}isa.md is not what the sources say; write it anew with make docs
