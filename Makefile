# `make demo` and `make test` build .venv on first use and again when pyproject.toml or constraints.txt change.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_INSTALL := $(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt

.PHONY: demo test lint coverage install clean
.NOTPARALLEL:

demo: $(VENV)/.installed
	$(BIN)/rlmem demo

test: install
	$(BIN)/python -m pytest

# No cache for the import graph: a cached one misses modules that are added later.
lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo --no-cache

coverage: install
	$(BIN)/coverage run -m pytest
	$(BIN)/coverage combine --quiet
	$(BIN)/coverage report

install: $(VENV)/.installed-test

$(VENV)/.installed: pyproject.toml constraints.txt | check-python
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) -e .
	@touch $@

$(VENV)/.installed-test: pyproject.toml constraints.txt | check-python
	$(PYTHON) -m venv $(VENV)
	$(PIP_INSTALL) -e '.[test]'
	@touch $@ $(VENV)/.installed

.PHONY: check-python
check-python:
	@command -v $(PYTHON) >/dev/null || { \
	  echo "error: '$(PYTHON)' was not found; install Python 3.10 or newer, or name one: make PYTHON=python3.11 ..." >&2; \
	  exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || { \
	  echo "error: '$(PYTHON)' is $$($(PYTHON) --version 2>&1), and rlmem needs Python 3.10 or newer;" \
	    "name one: make PYTHON=python3.11 ..." >&2; \
	  exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "error: '$(PYTHON)' cannot make virtual environments; install its venv module (Debian: python3-venv)" >&2; \
	  exit 1; }

clean:
	rm -rf $(VENV) build dist rlmem.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
