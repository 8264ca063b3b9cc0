# make test, make demo: nothing else to type. Everything is installed into .venv, once.
#
#   make test ARGS="-k loops -x"        arguments for pytest
#   make bench ARGS="--json out.json"   arguments for the benchmark
#   make PYTHON=python3.13 test         another interpreter (3.11 or newer; `make clean` first if .venv exists)

SHELL := /bin/sh
.DEFAULT_GOAL := help
# Two targets asked for at once share one .venv.
.NOTPARALLEL:

PYTHON ?=
ARGS ?=
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check -qq

# A candidate must run, be new enough and be able to make a venv: a version manager's shim may exist and do
# none of these, and some systems ship Python without ensurepip.
SUITABLE := import venv, ensurepip, sys; sys.exit(sys.version_info < (3, 11))
CANDIDATES := python3 python3.14 python3.13 python3.12 python3.11

.PHONY: help demo test lint bench docs venv clean

help:
	@echo "make demo    answer questions over the standard library's documentation, eager against compiled"
	@echo "make test    run the tests"
	@echo "make lint    ruff, mypy, import-linter"
	@echo "make bench   the orchestration benchmarks"
	@echo "make docs    build the documentation into build/docs"
	@echo "make venv    only set up .venv"
	@echo "make clean   remove everything that make has made"

demo: $(VENV)/.runtime
	$(BIN)/ember-jit demo $(ARGS)

test: $(VENV)/.installed
	$(BIN)/python -m pytest $(ARGS)

lint: $(VENV)/.installed
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(VENV)/.runtime
	$(BIN)/python -m benchmarks orchestration $(ARGS)

# A broken link, a page that no menu leads to, a docstring that does not parse: each is an error.
docs: $(VENV)/.docs
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --fresh-env -d build/doctrees docs build/docs $(ARGS)
	@echo "build/docs/index.html"

venv: $(VENV)/.installed

# The stamps are touched last, so an interrupted set-up is done again and a finished one is not.

$(VENV)/.created:
	@if [ -n "$(PYTHON)" ]; then candidates="$(PYTHON)"; else candidates="$(CANDIDATES)"; fi; \
	for python in $$candidates; do \
		if "$$python" -c '$(SUITABLE)' >/dev/null 2>&1; then \
			echo "creating $(VENV) with $$("$$python" -V)"; \
			"$$python" -m venv $(VENV) && touch $@; \
			exit; \
		fi; \
	done; \
	echo "no usable Python 3.11 or newer with venv and ensurepip among: $$candidates" >&2; \
	echo "install one (on Debian and Ubuntu also python3-venv), or say which: make PYTHON=/path/to/python3" >&2; \
	exit 1

$(VENV)/.runtime: $(VENV)/.created pyproject.toml
	@echo "installing into $(VENV) (once; this takes a minute)"
	@$(PIP) install --editable .
	@touch $@

$(VENV)/.installed: $(VENV)/.created pyproject.toml
	@echo "installing into $(VENV), with the development tools (once; this takes a minute)"
	@$(PIP) install --editable '.[dev]'
	@touch $(VENV)/.runtime $@

$(VENV)/.docs: $(VENV)/.installed
	@echo "installing the documentation's tools into $(VENV)"
	@$(PIP) install --editable '.[docs]'
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis .nox
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
