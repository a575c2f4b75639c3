"""Comparisons: the published evaluation beside ours, and sweeps over machines and concentrations."""
