# RUN: %python %s | filecheck %s
"""What a kernel takes on chip is declared once, for the mapping space and for the emitter: every declared buffer is made, as often as it says, and no
kernel takes more address generators than it is counted for."""
from collections import Counter
from itertools import islice

from focus.passes.kernels.attention import attention_generators
from focus.passes.kernels.forms import AttentionForm, GemmForm
from focus.passes.kernels.linear import gemm_generators
from focus.passes.kernels.places import Places
from focus.passes.mapping import trial as trials
from focus.passes.mapping.space import Target, candidates
from focus.runtime.spec import isa
from focus.runtime.spec.machine import Machine

target = Target(Machine.load("focus"), 32)
made: dict[int, tuple[Places, Counter]] = {}
programs = []
make, encode = Places.make, trials.encode_program


def counted(self, b, name, number=None):
    made.setdefault(id(self), (self, Counter()))[1][name] += 1
    return make(self, b, name, number)


def kept(op):
    programs.append(encode(op))
    return programs[-1]


Places.make, trials.encode_program = counted, kept
STEP = 5            #: of the candidates of a form, every fifth is tried
FORMS = {
    "gemm": GemmForm(100, 130, 100, slow=True, biases=1), "gemm, two weights": GemmForm(70, 100, 64, 2, slow=True, biases=2),
    "gemm, residual": GemmForm(100, 96, 96, residual=True, moments=True), "concentrated gemm": GemmForm(84, 96, 96, 2, visual=64, unique=True, slow=True),
    "gathered gemm": GemmForm(84, 96, 96, visual=64, gathered=True), "both": GemmForm(84, 96, 96, visual=64, unique=True, gathered=True, residual=True),
    "gemm of few rows": GemmForm(20, 800, 64, visual=16, unique=True),
    "attention": AttentionForm(100, ((100, 0),), 32, 2, 1, masked=True), "attention, wide": AttentionForm(70, ((70, None),), 72, 1, 1),
    "attention, two regions": AttentionForm(20, ((100, 0), (20, 100)), 64, 2, 1, masked=True),
    "concentrated attention": AttentionForm(64, ((84, 4),), 32, 4, 2, fixed=64, visual=64, masked=True),
    "concentrated, odd": AttentionForm(64, ((84, 4),), 40, 4, 2, fixed=64, visual=64, masked=True),
}
for name, form in FORMS.items():
    tried, unlike, over, most = 0, [], [], 0
    for mapping in islice(candidates(target, form), 0, None, STEP):
        made.clear()
        trials.trial(target, form, mapping)
        tried += 1
        for places, counts in made.values():
            kernels = {counts[name] / place.count for name, place in places.table.items()}      # one declaration may serve several kernels
            unlike += [(dict(counts), mapping)] * (len(kernels) != 1 or not min(kernels).is_integer() or min(kernels) < 1)
        words, source, modules = programs.pop()
        timed = [isa.decode(word.tobytes()) for word, module in zip(words, source) if module == modules.index(trials.TIMED)]
        taken = len({fields[f.name] for instr, fields in timed for f in instr.mems} - {isa.NO_AGU})
        bound = (gemm_generators if isinstance(form, GemmForm) else attention_generators)(form, mapping, target.geometry)
        most = max(most, taken / bound)
        if taken > bound:
            over.append((taken, bound, mapping))
    assert tried
    print(name, "as declared" if not unlike else unlike[0], "within the bound" if not over else over[0], "by less than half" if most > 0.5 else most)
    # CHECK-COUNT-12: as declared within the bound by less than half
