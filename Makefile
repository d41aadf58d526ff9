# `make demo` and `make test` set themselves up; nothing has to be installed before.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# A fixed number of workers, so that a run on a large machine does what the run on CI did.
WORKERS ?= 2

.PHONY: demo test lint types unit exactness pythons bench clean

demo: $(VENV)/.package
	$(BIN)/neurosim demo

test: lint types unit exactness

$(VENV)/.package: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --editable .
	@echo "compiling the kernels; they are kept on disk"
	$(BIN)/neurosim demo --samples 2 -o $(VENV)/first_run > /dev/null
	touch $@

$(VENV)/.dev: $(VENV)/.package
	$(BIN)/python -m pip install --quiet --editable '.[dev]'
	touch $@

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

unit: $(VENV)/.dev
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

# The kernels once more, as plain Python (every line visible to the interpreter) and with index
# checks compiled in; fewer random examples, same assertions.
exactness: $(VENV)/.dev
	NUMBA_DISABLE_JIT=1 NEUROSIM_TEST_PROFILE=small $(BIN)/python -m pytest -n $(WORKERS) tests/properties/test_simulator_equals_reference.py tests/properties/test_noc_twin.py tests/properties/test_engine.py tests/reference/test_truenorth.py tests/unit/test_vectors.py
	NUMBA_BOUNDSCHECK=1 NEUROSIM_TEST_PROFILE=small $(BIN)/python -m pytest -n $(WORKERS) tests/properties/test_simulator_equals_reference.py

# The tests on every Python that is supported and installed here, each with an environment of its own;
# PyTorch, and the tests that need it, come with `make pythons EXTRAS=dev,train`.
PYTHONS ?= 3.11 3.12 3.13
EXTRAS ?= dev

pythons:
	@for version in $(PYTHONS); do \
	  if ! command -v python$$version > /dev/null; then \
	    echo "python$$version is not on this machine; left out"; continue; \
	  fi; \
	  echo "== Python $$version"; \
	  python$$version -m venv $(VENV)-$$version || exit 1; \
	  $(VENV)-$$version/bin/python -m pip install --quiet --editable '.[$(EXTRAS)]' || exit 1; \
	  $(VENV)-$$version/bin/python -m pytest -n $(WORKERS) --dist loadfile || exit 1; \
	done

# Ours beside a peer or the limit; for measuring, never for passing or failing.
bench: $(VENV)/.dev
	$(BIN)/python -m tests.benchmarks

clean:
	rm -rf $(VENV) $(VENV)-3.* dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
