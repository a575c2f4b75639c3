# docs/isa.md is what the table says, and the check notices when it is not.
# RUN: %python -m focus.runtime.tools.docs --check %S/../../docs/isa.md
# RUN: %python -m focus.runtime.tools.docs %t.md && %python -m focus.runtime.tools.docs --check %t.md
# RUN: echo more >> %t.md
# RUN: not %python -m focus.runtime.tools.docs --check %t.md 2>&1 | filecheck %s
# CHECK: error: {{.*}}.md is not what runtime/spec/isa.py says; write it anew
