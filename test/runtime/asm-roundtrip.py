# Disassembling and assembling any valid words gives the same bytes; the decoder of whole programs agrees with that of single words.
# RUN: %python %s %t
import sys

import numpy as np
from hypothesis import configuration, given, settings, strategies as st

from focus.runtime.run import asm
from focus.runtime.spec import isa

configuration.set_hypothesis_home_dir(sys.argv[1])


def field(f):
    """Any raw value a valid word may have in a field."""
    if f.kind == "enum":
        return st.sampled_from([int(e) for e in isa.ENUMS[f.enum]])
    if f.kind == "init":
        return st.sampled_from([*range(8), isa.NEVER])
    return st.integers(f.low, f.high - (f.kind == "mem" and not f.optional))


def word(instr):
    return st.fixed_dictionaries({f.name: field(f) for f in instr.all_fields}).map(lambda values: isa.encode(instr.mnemonic, values))


words = st.sampled_from(list(isa.TABLE.values())).flatmap(word)
paths = st.text(max_size=8)


@settings(max_examples=100, deadline=None, database=None)
@given(st.lists(st.tuples(words, st.integers(0, 2)), min_size=1, max_size=12), st.lists(paths, min_size=3, max_size=3, unique=True))
def roundtrip(program, modules):
    text = np.frombuffer(b"".join(w for w, _ in program), np.uint8).reshape(-1, 16)
    source = np.array([s for _, s in program], np.uint32)
    listing = asm.disassemble(text, source, modules)
    again = asm.assemble(listing, modules=modules)
    assert again.text.tobytes() == text.tobytes(), listing
    assert (again.source == source).all() and again.modules == modules
    assert [d.values for d in asm.decode_program(text)] == [isa.decode(w)[1] for w, _ in program]


roundtrip()

# Every instruction appears, however the words above were drawn.
for instr in isa.TABLE.values():
    @settings(max_examples=5, deadline=None, database=None)
    @given(word(instr))
    def one(w):
        assert asm.assemble(asm.disassemble(np.frombuffer(w, np.uint8).reshape(1, 16))).text.tobytes() == w, instr.mnemonic
    one()
