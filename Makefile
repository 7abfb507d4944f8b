# Lifeline: `make` alone lists the targets.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

VENV := .venv
BIN := $(VENV)/bin
SOURCES := domain detectors operators sources sinks simulators workbench reports console flows cities perf tests
PYTEST_ARGS ?= -n 2 --dist loadfile --no-loadscope-reorder
BENCH_ARGS ?=
DATA ?= ../shared/data
SCORE_ARGS ?=
SOAK_ARGS ?=
WEEK_ARGS ?=
NAMES ?=

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo test soak check bench score week pictures wheel lock audit clean

help: ## this list
	@grep -E '^[a-z]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z]+):.*## (.*)/  make \1\t\2/' | expand -t 16

demo: $(VENV)/.installed ## fifteen minutes of a simulated city, from readings to alerts; then its desk, in the browser
	@$(BIN)/lifeline demo

test: check ## check, then all tests
	@mkdir -p build
	@$(BIN)/pytest $(PYTEST_ARGS)

soak: $(VENV)/.installed ## faults injected for real, for a quarter of an hour; figures in build/soak.json
	@$(BIN)/python -m tests.soak $(SOAK_ARGS)
	@LIFELINE_SOAK=1 LIFELINE_LOAD_SECONDS=300 $(BIN)/pytest -q tests/kafka/test_load.py tests/kafka/test_command.py

check: $(VENV)/.installed ## lint, format and types
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy $(wildcard $(SOURCES))

bench: $(VENV)/.installed ## all benchmarks, figures in build/bench.json
	@$(BIN)/python -m perf $(BENCH_ARGS)

score: $(VENV)/.installed ## every set of recordings by its published rules, figures in build/score.json
	@$(BIN)/lifeline score all $(DATA) $(SCORE_ARGS)

week: $(VENV)/.installed ## a simulated week with every sensor fault: false pages, alarm load, delays; figures in build/week.json
	@$(BIN)/python -m perf.week $(WEEK_ARGS)

pictures: $(VENV)/.installed ## an incident on the console, every detector on a recording, and the costs of the last bench, in docs
	@[ -n "$(NAMES)" ] || $(BIN)/python -m tests.console.pictures
	@NUMBA_CACHE_DIR=$$($(BIN)/python -c 'from domain.kernel_cache import use_kernel_cache; print(use_kernel_cache())') \
	    $(BIN)/python -m workbench.pictures $(DATA) $(NAMES)

wheel: $(VENV)/.installed ## build/dist/lifeline-*.whl
	@rm -rf build/dist
	@$(BIN)/python -m build --wheel --no-isolation --outdir build/dist . | tail -n 1

lock: build/uv/bin/uv ## write both locks anew from pyproject.toml (UPGRADE=1: with the newest versions)
	@lock() { UV_CUSTOM_COMPILE_COMMAND="make lock" build/uv/bin/uv pip compile --quiet --universal --python-version 3.11 \
	    --generate-hashes --no-emit-index-url --no-emit-find-links $(if $(UPGRADE),--upgrade) pyproject.toml "$$@"; }; \
	lock --output-file requirements.lock; \
	lock --output-file requirements-dev.lock --extra dev --constraint requirements.lock

audit: build/audit/bin/pip-audit ## known vulnerabilities of what is in the lock; fails where the service that knows them is out of reach
	@build/audit/bin/pip-audit --strict --disable-pip --require-hashes --requirement requirements.lock

clean: ## remove the environment and everything that was built or measured
	@rm -rf $(VENV) build
	@find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

# The first interpreter that fits: Bytewax has wheels for Python up to 3.12.
$(BIN)/python:
	@pyenv="$${PYENV_ROOT:-$${HOME:-}/.pyenv}/versions"; \
	for python in $${PYTHON:-} python3.12 python3.11 python3 "$$pyenv"/3.12.*/bin/python "$$pyenv"/3.11.*/bin/python; do \
	    if "$$python" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] < (3, 13))' 2>/dev/null; then \
	        echo "environment: $$("$$python" --version) in $(VENV)"; \
	        exec "$$python" -m venv --clear $(VENV); \
	    fi; \
	done; \
	echo "Lifeline needs Python 3.11 or 3.12 with its venv module, and none was found." >&2; \
	echo "Install one (Debian, Ubuntu: apt install python3.12-venv; or: pyenv install 3.12; or: uv python install 3.12)," >&2; \
	echo "or name it: make PYTHON=/path/to/python3.12 ..." >&2; \
	exit 1

# --no-build-isolation: the build backend, too, is the locked one.
$(VENV)/.installed: requirements-dev.lock pyproject.toml | $(BIN)/python
	@echo "environment: installing requirements-dev.lock (once; some minutes on a slow line)"
	@$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	@$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

build/audit/bin/pip-audit: $(BIN)/python
	@$(BIN)/python -m venv build/audit
	@build/audit/bin/python -m pip install --quiet pip-audit

build/uv/bin/uv:
	@for python in $${PYTHON:-} python3.12 python3.11 python3; do "$$python" -m venv build/uv 2>/dev/null && break; done
	@build/uv/bin/python -m pip install --quiet uv
