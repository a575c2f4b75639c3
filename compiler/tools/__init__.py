"""The command-line tools of the compiler, and the generator of docs/passes.md."""
