# The pages of both dialects are what the definitions say, and the check notices when they are not.
# RUN: %python -m focus.dialects.docs --check %root/docs
# RUN: rm -rf %t && mkdir %t && %python -m focus.dialects.docs %t && %python -m focus.dialects.docs --check %t
# RUN: echo more >> %t/fisa-dialect.md
# RUN: not %python -m focus.dialects.docs --check %t 2>&1 | filecheck %s
# CHECK: error: {{.*}}fisa-dialect.md is not what the sources say; write it anew with make docs
