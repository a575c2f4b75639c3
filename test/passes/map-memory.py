# RUN: rm -rf %t && mkdir %t && env FOCUS_CACHE=%t/cache %python %s %t | filecheck %s
"""What the model has chosen is remembered on disk: the next process takes it from there and chooses nothing, and gets the same mappings; what a user
fixed is not remembered, and a file that is damaged, full or cannot be written costs nothing but the choice."""
import json
import os
import sys
from pathlib import Path

from focus.passes.kernels.forms import AttentionForm, GemmForm, RowsForm
from focus.passes.mapping import memory, search as searching
from focus.passes.mapping.space import Target
from focus.runtime.spec.machine import Machine

folder, target = Path(sys.argv[1]), Target(Machine.load("focus"), 32)
FORMS = (GemmForm(785, 700, 256), GemmForm(300, 512, 512, 2, visual=284, unique=True, gathered=True, slow=True),
         AttentionForm(785, ((785, 0),), 32, 8, 2, masked=True), RowsForm("norm", 40, 64))
tried = []
candidates = searching.candidates
searching.candidates = lambda target, form: tried.append(form) or candidates(target, form)


def chosen(overrides=None) -> list:
    """Mappings and prices of all forms, as a process that has just started chooses them; how many forms it looked at."""
    memory._choices.cache_clear()
    tried.clear()
    search = searching.Search(target)
    found = [(search.choose(form, overrides), search.price(form, overrides)) for form in FORMS]
    search.remember()
    return [found, len(tried)]


first = chosen()
[file] = (folder / "cache" / "mappings").glob("*.json")
print("first", first[1], "then", chosen() == [first[0], 0], "kept", len(json.loads(file.read_text())))
# CHECK: first 4 then True kept 4
memory._choices.cache_clear()
searching.Search(target).choose(FORMS[0], {"m": 64})
print("fixed", chosen()[1], len(json.loads(file.read_text())))
# CHECK: fixed 0 4
for text in ("[" * 100_000, "[1]", '{"' + str(FORMS[0]) + '": [{"kind": "gemm", "m": "x"}, 1]}', '{"' + str(FORMS[0]) + '": 3}', "\0"):
    file.write_text(text)
    print("damaged", chosen() == [first[0], 4], chosen()[1])
# CHECK-COUNT-5: damaged True 0
memory.MOST_FORMS = 2
memory._choices.cache_clear()
search = searching.Search(target)
search.choose(GemmForm(33, 44, 55))
search.remember()
print("full", len(json.loads(file.read_text())))
# CHECK: full 1
os.environ["FOCUS_CACHE"] = f"{file}/no-folder"
print("nowhere", chosen() == [first[0], 4], chosen()[1])
# CHECK: nowhere True 4
