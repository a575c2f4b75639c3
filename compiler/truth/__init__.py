"""What a compiled model must agree with: the algorithm in plain PyTorch, and the comparison."""
