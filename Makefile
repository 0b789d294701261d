# Two commands do everything on a fresh machine with Python 3.11+ and make: `make run`, `make test`.
.DEFAULT_GOAL := help
.PHONY: help env run test soak check format lint types contracts lock baselines selftest bench peers clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
PEERS := $(VENV)/bench-peers
# Fresh machines may forbid writing bytecode; without it every start of a program costs seconds.
PIP_INSTALL := $(BIN)/python -m pip --disable-pip-version-check install --quiet --compile

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

$(STAMP): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	  echo "busyhour needs Python 3.11 or later; name one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing the environment into $(VENV) (once, about a minute)"
	@$(PIP_INSTALL) --require-hashes -r requirements.lock
	@$(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@$(BIN)/python -m compileall -q service simulator
	@touch $@

env: $(STAMP) ## the environment alone, in .venv

run: $(STAMP) ## drive the busy hour through the real service and judge it
	@$(BIN)/busyhour run scenarios/busy-hour.yaml

# Tests in wall-clock time mostly wait, so there are more workers than cores.
test: $(STAMP) ## the whole suite, with seeded samples of the long ones
	$(BIN)/python -m pytest -n 4 --dist worksteal -m "not soak"

soak: $(STAMP) ## the long ones in full: every seeded run, and the properties for examples drawn anew
	$(BIN)/python -m pytest -n auto -m soak
	$(BIN)/python -m pytest -n auto -m "not soak" --hypothesis-profile=drawn \
	  tests/property tests/unit tests/differential tests/contract

check: format lint types contracts test ## format, lint, types, import contracts and tests

format: $(STAMP)
	$(BIN)/ruff format --check .

lint: $(STAMP)
	$(BIN)/ruff check .

types: $(STAMP)
	$(BIN)/mypy

contracts: $(STAMP)
	$(BIN)/lint-imports

selftest: $(STAMP) ## show that the checks catch every broken controller of the gallery
	@$(BIN)/busyhour selftest

# In a directory of their own, off the environment's path: one of them brings a package named "tests".
$(PEERS)/.installed: bench/peers/requirements.lock | $(STAMP)
	@rm -rf $(PEERS)
	@$(PIP_INSTALL) --require-hashes --no-deps --target $(PEERS) -r bench/peers/requirements.lock
	@touch $@

peers: $(PEERS)/.installed ## what some benchmarks compare with and the environment must not hold

bench: $(STAMP) peers ## the benchmarks, each beside its floor and a peer (takes minutes, wants a quiet machine)
	@for file in bench/*.py; do name=$$(basename $$file .py); echo "== $$name"; $(BIN)/python -m bench.$$name || exit 1; done

baselines: $(STAMP) ## renew reports/baselines from the oracle, to compare runs with
	@$(BIN)/python -m simulator.compare.baselines reports/baselines

lock: ## renew the lock files (needs uv)
	uv pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.11 --all-extras \
	  --no-emit-index-url --no-header pyproject.toml --output-file requirements.lock
	uv pip compile --quiet --upgrade --universal --generate-hashes --python-version 3.11 --no-deps \
	  --no-emit-index-url --no-header bench/peers/requirements.in --output-file bench/peers/requirements.lock

clean: ## remove the environment and the caches
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
