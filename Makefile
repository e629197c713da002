# The two commands to know: make demo, make test. Each makes .venv first; nothing else is needed but python3.

PYTHON ?= python3
BIN := .venv/bin
DATA ?=

.PHONY: demo test test-all lint types format bench clean help

help:
	@echo "make demo      train focal loss against log loss on an embedded fraud table"
	@echo "make test      the whole test suite, doctests included"
	@echo "make test-all  the same and the slow tests"
	@echo "make lint      ruff: rules and formatting"
	@echo "make types     mypy, strict"
	@echo "make format    let ruff mend what it can"
	@echo "make bench     the rescue table on real data (DATA=folder)"
	@echo "make clean     remove .venv and what was built"

demo: .venv/demo
	$(BIN)/python examples/quickstart.py

test: .venv/test
	$(BIN)/python -m pytest -m "not slow"

test-all: .venv/test
	$(BIN)/python -m pytest

lint: .venv/lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/lint .venv/test
	$(BIN)/mypy

format: .venv/lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/test
	$(BIN)/python benchmarks/rescue.py $(DATA)

clean:
	rm -rf .venv build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis

# A stamp per set of tools: made anew when pyproject.toml asks for something else.
.venv/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "focalboost needs Python 3.11 or newer, got $$($(PYTHON) --version); try: make PYTHON=python3.12 ..." >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@touch $@

.venv/demo: .venv/pip pyproject.toml
	$(BIN)/python -m pip install --quiet --editable ".[all]" --group examples
	@touch $@

.venv/test: .venv/pip pyproject.toml
	$(BIN)/python -m pip install --quiet --editable ".[all]" --group test
	@touch $@

.venv/lint: .venv/pip pyproject.toml
	$(BIN)/python -m pip install --quiet --group lint
	@touch $@
