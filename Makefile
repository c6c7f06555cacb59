# OpenDrape: everything a person or a machine does with a checkout. `make` lists it.
SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMPS := $(VENV)/.stamps
POLICY ?= faces
OUTPUT ?= out
INPUT ?=
ARGS ?=
WORKERS ?= 2
MASKERS ?= 2
SAMPLE_DIR := var/sample/in

.PHONY: help install install-dev run serve doctor test test-long check fmt bench servers cluster cluster-status cluster-down lock docs clean distclean

help: ## List the goals
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | sort | while IFS=$$'\t' read -r goal text; do \
	  printf '  %-14s %s\n' "$$goal" "$$text"; done
	@printf '\n  make run                          the two-minute tour on a generated sample\n'
	@printf '  make run INPUT=folder OUTPUT=out  de-identify a folder of videos\n'

$(VENV)/pyvenv.cfg:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo 'OpenDrape needs Python 3.11 or later; set PYTHON=/path/to/python3.11' >&2; exit 1; }
	@echo 'making $(VENV)'
	@$(PYTHON) -m venv $(VENV)

$(STAMPS)/runtime: requirements.txt pyproject.toml | $(VENV)/pyvenv.cfg
	@echo 'installing locked packages (once)'
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements.txt
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/python -m compileall -q core services  # media children may not write their own
	@mkdir -p $(STAMPS) && touch $@

$(STAMPS)/dev: requirements-dev.txt $(STAMPS)/runtime
	@echo 'installing locked development packages (once)'
	@$(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --require-hashes -r requirements-dev.txt
	@mkdir -p $(STAMPS) && touch $@

install: $(STAMPS)/runtime ## Make .venv with the locked runtime
install-dev: $(STAMPS)/dev ## The same with the development tools

ifeq ($(strip $(INPUT)),)
run: $(STAMPS)/runtime ## De-identify INPUT into OUTPUT (no INPUT: a generated sample); POLICY=faces ARGS=...
	@$(BIN)/opendrape sample make --output $(SAMPLE_DIR)
	@$(BIN)/opendrape run $(SAMPLE_DIR) --output "$(OUTPUT)" --policy "$(POLICY)" $(ARGS)
else
run: $(STAMPS)/runtime
	@$(BIN)/opendrape run "$(INPUT)" --output "$(OUTPUT)" --policy "$(POLICY)" $(ARGS)
endif

serve: $(STAMPS)/runtime ## All services and the HTTP door in one process, until Ctrl-C
	@$(BIN)/opendrape serve $(ARGS)

doctor: $(STAMPS)/runtime ## Could this machine de-identify a video now?
	@$(BIN)/opendrape doctor $(ARGS)

test: $(STAMPS)/dev ## Every test but the long ones, with coverage
	@bash scripts/test.sh -m 'not long' -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

test-long: $(STAMPS)/dev ## Every test, the long ones too
	@bash scripts/test.sh -n $(WORKERS) --dist loadfile --no-loadscope-reorder $(ARGS)

check: $(STAMPS)/dev ## ruff, mypy --strict, import contracts, no addresses or machine paths in tracked files
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/python scripts/tracked_files.py

fmt: $(STAMPS)/dev ## Format and fix what ruff can fix
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: $(STAMPS)/dev ## Measure this engine, deface and a plain transcode on one clip; writes a table
	@$(BIN)/python -m benchmarks.compare $(ARGS)

servers: ## Install the real servers that tests use
	@bash scripts/servers.sh

cluster: $(STAMPS)/dev ## The whole system on this machine over real servers; INPUT=folder goes through it (make servers first)
	@$(BIN)/python -m tests.servers.cluster up --maskers $(MASKERS) $(ARGS)
	@if [ -n "$(strip $(INPUT))" ]; then $(BIN)/python -m tests.servers.cluster run "$(INPUT)" --policy "$(POLICY)"; fi

cluster-status: $(STAMPS)/dev ## Health of every part of the cluster
	@$(BIN)/python -m tests.servers.cluster status

cluster-down: $(STAMPS)/dev ## End the cluster; its data goes too
	@$(BIN)/python -m tests.servers.cluster down

lock: $(STAMPS)/dev ## Make every requirements.txt anew from pyproject.toml
	@UV="$(BIN)/uv" bash scripts/lock.sh

docs: $(STAMPS)/runtime ## Make the generated parts of docs/ anew (settings, states)
	@$(BIN)/python scripts/generated_docs.py

clean: ## Remove caches and coverage; keeps var/, out/ and .venv
	@rm -rf .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache .coverage .coverage.* htmlcov dist
	@find core services tests benchmarks -name __pycache__ -type d -prune -exec rm -rf {} +

distclean: clean ## The same and .venv; var/ holds keys and is never removed by a goal
	@rm -rf $(VENV)
