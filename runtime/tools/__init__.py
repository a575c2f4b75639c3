"""The command-line tools that need no compiler, and the generator of docs/isa.md."""
