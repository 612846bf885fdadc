# Every target works on a fresh machine with make, bash, Python >= 3.11 and a package index: .venv is set up on the way.
# PYTHON=...   the Python to make .venv with        ARGS=...   further arguments for snakemake (demo) or pytest (test)

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.NOTPARALLEL:

export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHON
ARGS ?=
# Modules run side by side, in the order of tests/conftest.py. ARGS="-n0 --pdb" runs them in one process.
PYTEST := python -m pytest --numprocesses auto --dist loadscope --no-loadscope-reorder --durations 15

.PHONY: help
help: ## Show this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1 \2/p' Makefile | awk '{ printf "  %s %-18s", $$1, $$2; $$1 = $$2 = ""; print }'

.PHONY: setup
setup: ## Make .venv with what users and developers need
	@tools/setup.sh dev pipelines

.PHONY: demo
demo: ## Recognise the entities of some pages of novels, on all cores and GPUs
	@tools/setup.sh run
	@tools/setup.sh pipelines || { rm -f .venv/.shardner/unfinished; echo "make: spaCy's small English pipeline cannot be had here"; }
	@gpus=$$(tools/gpu.sh count); set -x; snakemake --cores all $${gpus:+--resources gpu=$$gpus} $(ARGS)

.PHONY: check
check: lint ## In a minute and a half: lint, and the unit and property tests with few examples
	@tools/setup.sh dev pipelines
	HYPOTHESIS_PROFILE=$${HYPOTHESIS_PROFILE:-quick} $(PYTEST) $(or $(ARGS),tests/unit tests/property)

.PHONY: test
test: ## Run all tests (those of the browser, Slurm, GPUs and transformers are skipped where there is none)
	@tools/setup.sh dev pipelines
	$(PYTEST) $(ARGS)

.PHONY: coverage
coverage: ## Run all tests, and show which lines of the package no test runs
	@tools/setup.sh dev pipelines
	$(PYTEST) --cov --cov-report term $(ARGS)

.PHONY: test-transformers
test-transformers: ## Run the tests of transformer pipelines (puts spacy-curated-transformers and Torch into .venv)
	@tools/setup.sh dev transformers
	$(PYTEST) -m transformers $(ARGS)

.PHONY: test-faults
test-faults: ## Kill, fill and damage runs at every moment
	@tools/setup.sh dev
	$(PYTEST) -m sweep $(ARGS)

.PHONY: test-slurm
test-slurm: ## Run the tests on a private Slurm of one node (as root, with Slurm and munge installed)
	@tools/setup.sh dev
	python -m pytest --durations 15 tests/slurm $(ARGS)

.PHONY: lint
lint: ## Check style, types, the order of the rooms, and the workflow
	@tools/setup.sh dev
	ruff check
	ruff format --check
	snakefmt --check Snakefile workflow tests/benchmarks/contenders/Snakefile
	mypy
	PYTHONPATH=workflow/scripts lint-imports --no-logo --no-cache
	snakemake --lint

.PHONY: site
site: ## Make a site of README and docs in site/; a link that leads nowhere is an error
	@tools/setup.sh dev docs
	sphinx-build --fail-on-warning --keep-going --quiet --jobs auto docs site

.PHONY: bench
bench: ## Measure Shardner beside stock spaCy, pools, Ray and others (ARGS: --model, --corpora …; without: generated ones)
	@tools/setup.sh dev bench
	$(if $(findstring --model,$(ARGS)),,snakemake --cores 1 resources/demo/pipeline)
	python tests/benchmarks/contenders/bench.py $(ARGS)

.PHONY: bench-engine
bench-engine: ## Measure the fused engine beside stock spaCy on one core (ARGS: --model, --corpus …; without: generated ones)
	@tools/setup.sh dev
	snakemake --cores 1 resources/demo/pipeline resources/demo/corpus.jsonl
	python tests/benchmarks/bench_engines.py $(ARGS)

.PHONY: bench-gpu
bench-gpu: ## Measure on one GPU: stock spaCy, the fused engine with 1 to 16 workers, and the CPU (ARGS as for bench-engine)
	@tools/setup.sh dev
	snakemake --cores 1 resources/demo/pipeline resources/demo/corpus.jsonl
	python tests/benchmarks/bench_gpu.py $(ARGS)

.PHONY: gpu-check
gpu-check: ## On a machine with a GPU, with what is installed: check and measure; goes on where the last call stopped
	python3 tests/benchmarks/gpu_check.py --out docs/benchmarks/gpu-$(shell date +%Y-%m-%d) $(ARGS)

.PHONY: lock
lock: ## Pin anew: keep versions that still fit (make lock ARGS=--upgrade: take the newest)
	@tools/setup.sh dev
	tools/lock.sh $(ARGS)

.PHONY: clean
clean: ## Remove .venv and caches; results stay
	rm -rf .venv .hypothesis .mypy_cache .pytest_cache .coverage* .ruff_cache
	find workflow tests tools -name __pycache__ -type d -prune -exec rm -rf {} +
