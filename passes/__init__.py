"""Compiler passes: one pass per file, named after the pass; `pipeline` is the ordered list, `manager` the registry and the runner.

In: modules in the `torch`, `focus` and `fisa` dialects.  Out: the same, one level lower.  How to write a pass stands at the head of
`manager`.
"""
