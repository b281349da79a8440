# One environment, two commands: `make finetune_gr1` (demos in, checkpoint out) and `make test`.
VENV ?= .venv
export VENV
PYTHON ?= $(shell command -v python3.11 || command -v python3)
# Exact versions, each with the hashes of its files; `make setup CONSTRAINTS=` takes the newest that fit instead.
CONSTRAINTS ?= constraints.txt
SHELL := /bin/bash
.DEFAULT_GOAL := help

.PHONY: help setup finetune_gr1 finetune_gr1_long evaluate test lint renew ui clean

help: ## show this list
	@grep -E '^[a-z_0-9]+:.*##' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-14s %s\n", $$1, $$2}'

setup: $(VENV)/.complete ## create the environment in .venv and install the project

$(VENV)/.complete: pyproject.toml $(CONSTRAINTS)
	@"$(PYTHON)" -c 'import sys; sys.exit(0 if sys.version_info[:2] in ((3, 11), (3, 12)) else "Python 3.11 or 3.12 is needed; set PYTHON=/path/to/python3.11")'
	"$(PYTHON)" -m venv $(VENV)
	.ci/install $(VENV) $(CONSTRAINTS)
	@touch $@

finetune_gr1: setup ## make demonstrations, train, and leave a checkpoint in ./lake
	source ./env.sh && dagster asset materialize --select '*checkpoint_gr1'

finetune_gr1_long: setup ## the longer recipe with more demonstrations, in ./lake-long, evaluated
	export GR00T_LAKE="$(CURDIR)/lake-long" && source ./env.sh && dagster asset materialize --select '*evaluation_gr1' --config pipelines/long.yaml

evaluate: setup ## evaluate the checkpoint: open loop on held-out episodes, closed loop in the simulator
	source ./env.sh && dagster asset materialize --select evaluation_gr1

test: setup ## run the tests (no network, no GPU)
	source ./env.sh && OMP_NUM_THREADS=1 python -m pytest -n auto -q

lint: setup ## style and types
	source ./env.sh && ruff check . && ruff format --check . && pyright

renew: ## write constraints.txt again with the newest releases that pyproject.toml allows
	PYTHON="$(PYTHON)" .ci/renew

ui: setup ## the Dagster UI on http://127.0.0.1:3000
	source ./env.sh && dagster dev

clean: ## remove the environment; the lake and the Dagster history stay
	rm -rf $(VENV)
