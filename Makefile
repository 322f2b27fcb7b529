# Two commands matter: `make demo` and `make test`. Both do all the set-up on a machine with Python 3.11 and nothing else.
# PIP_ARGS reaches every pip install, e.g. PIP_ARGS="--extra-index-url ..." for another build of torch.
PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
PIP_ARGS ?=
PYTEST_ARGS ?=
PACKAGES := linewright ingest store analytics optimizer plant

.PHONY: demo test test-influx2 check lint types imports bench-risk bench-plan bench-store clean help

help:
	@echo "make demo        a simulated plant, live in the browser"
	@echo "make test        all tests"
	@echo "make test-influx2 URL=http://host:8086 TOKEN=... [ORG=linewright]   the store's suite on your InfluxDB 2"
	@echo "make check       style, types, import rules and all tests"
	@echo "make bench-risk  the risk model, every protocol, on recorded data (needs ../shared)"
	@echo "make bench-plan  the planner on generated and published plants (needs ../shared)"
	@echo "make bench-store what the store costs, beside DuckDB and SQLite"
	@echo "make clean       remove what these commands made"

$(VENV)/.run: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e .
	@touch $@

# The Sparkplug edge of the tests is an independent implementation; it needs an older paho than the product, so it has its own environment.
$(VENV)/.dev: $(VENV)/.run tests/edge/constraints.txt
	$(BIN)/pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c constraints.txt -e '.[dev]'
	$(PYTHON) -m venv $(VENV)/edge
	$(VENV)/edge/bin/pip install --quiet --disable-pip-version-check $(PIP_ARGS) -c tests/edge/constraints.txt pysparkplug
	@touch $@

demo: $(VENV)/.run
	@$(BIN)/linewright demo

test: $(VENV)/.dev
	$(BIN)/pytest $(PYTEST_ARGS)

# Makes a bucket per test and removes it again; the token must be allowed to. Nothing else there is touched.
test-influx2: export LINEWRIGHT_TEST_INFLUX_URL = $(URL)
test-influx2: export LINEWRIGHT_TEST_INFLUX_TOKEN = $(TOKEN)
test-influx2: export LINEWRIGHT_TEST_INFLUX_ORG = $(ORG)
test-influx2: $(VENV)/.dev
	@test -n "$(URL)" || { echo "Say which server: make test-influx2 URL=http://host:8086 TOKEN=... [ORG=linewright]"; exit 2; }
	@$(BIN)/pytest tests/contract -k influxdb $(PYTEST_ARGS)

lint: $(VENV)/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: $(VENV)/.dev
	$(BIN)/mypy

imports: $(VENV)/.dev
	$(BIN)/lint-imports

check: lint types imports test

bench-risk: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/risk_cmapss.py --out docs/benchmarks/risk-cmapss.md
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/risk_deciding.py --out docs/benchmarks/risk-deciding.md
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/risk_fleets.py --out docs/benchmarks/risk-fleets.md
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/risk_protocols.py --out docs/benchmarks/risk.md
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/risk_labels.py --out docs/benchmarks/risk-labels.md

bench-plan: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/plan_plants.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/plan_lotsizing.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/plan_bruteforce.py
	OMP_NUM_THREADS=1 $(BIN)/python tests/benchmarks/plan_infeasible.py

bench-store: $(VENV)/.dev
	$(BIN)/python tests/benchmarks/store_cost.py

clean:
	rm -rf $(VENV) dist build .mypy_cache .ruff_cache .import_linter_cache .hypothesis linewright-demo
