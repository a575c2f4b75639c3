"""What runs are compared with or timed by: closed formulas of other accelerators, synthetic traces with given ratios."""
