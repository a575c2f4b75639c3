"""What a run stands beside: closed formulas of other accelerators, traces with wanted ratios."""
