# Every target sets up what it needs by itself: `make test` works in a fresh clone.
PYTHON ?= python3
BIN := .venv/bin
WORKERS ?= 2

.PHONY: setup demo test lint bench bench-refresh oracle races faults fuzz mutations format help

help:
	@echo "make setup   make .venv and .venv-oracle (may run twice, or twice at once)"
	@echo "make demo    load the git history of this clone, build models from it, travel in time"
	@echo "make test    lint, then every test"
	@echo "make lint    ruff, mypy, import-linter"
	@echo "make bench   measure against plain DuckDB, and what start-up and history cost"
	@echo "make bench-refresh   measure refreshes beside a full recompute, at SF=1 or another"
	@echo "make oracle  TPC-H at SF1 and TPC-DS at SF0.1, smaller on S3, against DuckDB's own answers"
	@echo "make races   20,000 schedules of the publish protocol, and 400 commits of 8 processes"
	@echo "make faults  every store call of every write killed and failed, and 1,000 histories of a model"
	@echo "make fuzz    100,000 refreshes of random models against plain DuckDB (CASES=, SEED=)"
	@echo "make mutations   each rule of a refresh broken on purpose, and caught by the fuzzer"
	@echo "make format  let ruff lay out the code"

setup:
	@$(PYTHON) .ci/setup.py

demo: setup
	@$(BIN)/crannog demo

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

test: lint
	$(BIN)/python -m pytest -n $(WORKERS) --dist loadscope

oracle: setup
	$(BIN)/python -m pytest tests/oracle -m full -v

races: setup
	CRANNOG_SCHEDULES=$(or $(SCHEDULES),20000) $(BIN)/python -m pytest -q \
		tests/catalog/test_simulation.py tests/catalog/test_races_many.py -m "full or not full"

faults: setup
	CRANNOG_FAULT_CASES=0 CRANNOG_MODEL_SEQUENCES=$(or $(SEQUENCES),1000) \
		$(BIN)/python -m pytest -q -n $(WORKERS) --dist load tests/faults tests/model

fuzz: setup
	PYTHONPATH=tests:tests/support $(BIN)/python -m fuzz --cases $(or $(CASES),100000) \
		--jobs $(WORKERS) $(if $(SEED),--seed $(SEED))

mutations: setup
	PYTHONPATH=tests:tests/support $(BIN)/python -m fuzz.mutations

bench: setup
	@$(BIN)/python -m benchmarks

bench-refresh: setup
	@$(BIN)/python -m benchmarks.refresh --sf $(or $(SF),1) $(PARTS)

format: setup
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .
