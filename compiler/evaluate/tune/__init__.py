"""focus-tune: the concentration that takes the fewest cycles within a budget of fidelity.

In: a model, requests, a budget.  Out: a concentration (TOML), all trials (CSV), a picture of the front (SVG).

`bench` measures one concentration: distances by the reference, cycles by the simulator.  `pool` measures many, and keeps what it has measured.
`estimate` predicts both from what each layer and site does alone, and finds the best concentration under such a prediction; `search` measures those
effects, then lets optuna correct the prediction until the concentrations that come of it are the best it finds.  `report` writes the results.
"""
