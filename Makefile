# `make demo` and `make test` set themselves up; nothing has to be installed before.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# A fixed number of workers, so that a run on a large machine does what the run on CI did.
WORKERS ?= 2

# Byte code is written when a module is first imported, not for all that nobody imports (a minute).
INSTALL = $(BIN)/python -m pip install --quiet --no-compile --editable

.PHONY: demo test lint types unit exactness without-jit index-checks pythons bench clean

demo: $(VENV)/.kernels
	$(BIN)/neurosim demo

# What takes one processor runs beside something else; each prints when it is done.
TOGETHER = $(MAKE) --no-print-directory --jobs $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

test: $(VENV)/.dev
	@$(TOGETHER) lint types without-jit $(VENV)/.kernels
	@$(MAKE) --no-print-directory unit

$(VENV)/.made:
	$(PYTHON) -m venv $(VENV)
	touch $@

$(VENV)/.package: pyproject.toml | $(VENV)/.made
	$(INSTALL) .
	touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/.made
	$(INSTALL) '.[dev]'
	touch $(VENV)/.package $@

$(VENV)/.kernels: $(VENV)/.package
	$(BIN)/neurosim demo --samples 2 -o $(VENV)/first_run > /dev/null
	touch $@

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

unit: $(VENV)/.dev $(VENV)/.kernels
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

# The kernels once more: as plain Python (every line visible to the interpreter, every index checked
# by NumPy), fewer random examples, same assertions; and, only by hand, compiled with index checks,
# which finds the same wrong indices and compiles everything a second time.
exactness: without-jit index-checks

without-jit: $(VENV)/.dev
	NUMBA_DISABLE_JIT=1 NEUROSIM_TEST_PROFILE=small $(BIN)/python -m pytest tests/properties/test_simulator_equals_reference.py tests/properties/test_noc_twin.py tests/properties/test_engine.py tests/properties/test_shared_blocks.py tests/reference/test_truenorth.py tests/unit/test_products.py tests/unit/test_vectors.py

index-checks: $(VENV)/.dev
	NUMBA_BOUNDSCHECK=1 NEUROSIM_TEST_PROFILE=small $(BIN)/python -m pytest tests/properties/test_simulator_equals_reference.py

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
