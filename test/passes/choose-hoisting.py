# RUN: %python %s | filecheck %s
"""Whether layers prune before their queries is chosen by cost: what is chosen takes no more cycles than the other way, and either way occurs.  Where
the request says it, the pass changes nothing."""
from focus.compiler.backend.compile import ModelIR
from focus.compiler.frontend.backbone import Backbone
from focus.runtime.evaluate import synth
from focus.runtime.evaluate.baselines import DecoderSizes
from focus.runtime.run.executable import Executable
from focus.runtime.spec.concentration import Concentration
from focus.runtime.spec.tokens import Grid

SLACK = 1.005       #: of the cost model, in cycles of the whole
RECIPE = synth.Recipe(1.5)


def cycles(model: ModelIR, config: Concentration) -> tuple[int, bool]:
    """Cycles with a synthetic trace, and whether the program prunes before the queries."""
    binary = model.compile("focus", config).binary
    trace = synth.synth(synth.TracePlan.of_binary(binary), RECIPE, compact=True) if binary.sites else None
    return Executable(binary).time(trace)["cycles"], binary.concentration.hoist


def check(name: str, frames: int, height: int, width: int, sizes: DecoderSizes, similarity: bool) -> bool:
    """What is chosen, once it is seen to be the cheaper."""
    grid = Grid.dense(0, frames, height, width)
    model = ModelIR.of(Backbone.of_grids(name, sizes, frames * height * width, (grid,)), {})
    config = Concentration(layers=(0, 1), alphas=(0.4, 0.2), similarity=similarity)
    taken = {}
    for hoist in (True, False):
        taken[hoist], done = cycles(model, config.model_copy(update={"hoist": hoist}))
        assert done == hoist
    found, chosen = cycles(model, config)
    assert found == taken[chosen] and found <= SLACK * min(taken.values()), (taken, chosen)
    return chosen


small, large = DecoderSizes(2, 64, 2, 1, 32, 128), DecoderSizes(2, 512, 8, 2, 64, 700)
print("few tokens", check("few", 4, 3, 3, small, True), check("few", 4, 3, 3, small, False))
# CHECK: few tokens False False
print("many tokens", check("many", 16, 13, 11, large, True), check("many", 16, 13, 11, large, False))
# CHECK: many tokens True True
