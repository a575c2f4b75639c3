"""Loop nests of the kernels: one function a kind of kernel, from operands (`Mat`, `Concentrated`) to tile-level IR."""
