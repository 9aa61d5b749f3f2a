# Valleyfill. `make install` makes the environment; everything else runs in it.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
DATA ?= ../shared/data
WORKERS ?= auto

.PHONY: install demo test check bench real-data clean
.DEFAULT_GOAL := help

.PHONY: help
help:
	@echo "make install | demo | docs | test | check | bench | real-data DATA=../shared/data"

# The stamp names what was installed from, so that `make demo` on a fresh machine installs once.
install: $(VENV)/.installed

$(VENV)/.installed: pyproject.toml
	@test -n "$(PYTHON)" || { echo "needs Python 3.11 or newer" >&2; exit 78; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV) || \
		{ echo "no venv: install python3-venv, or set PYTHON" >&2; exit 78; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[demo,web,test]"
	$(BIN)/python -m scheduler.solvers.flow_warm
	@touch $@

demo: install
	$(BIN)/valleyfill demo

test: system install check chaos-quick
	$(BIN)/python -m pytest -q -n $(WORKERS) --dist loadfile

# Mosquitto, OpenSSL and systemd-analyze for the tests, where this user may install them; where
# not, it says which tests will be left out, and pytest names each with its reason.
.PHONY: system
system:
	@bash .ci/system-packages

check: install
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

bench: install
	$(BIN)/valleyfill bench

# The documentation as pages that load nothing from elsewhere, in artifacts/docs.
.PHONY: docs
docs: install
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable ".[docs]"
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --quiet --config-file docs/mkdocs.yml

# Every view of the page, whole, on three staged sites, in artifacts/page (wants Chromium).
.PHONY: screenshots
screenshots: system install
	$(BIN)/python -m tests.web.shots $(SITES)

# Every benchmark as JSON in artifacts/bench, and their table in README.md. QUICK=--quick for a
# short one; the closed loop only where the real data stands.
.PHONY: bench-table
QUICK ?=
bench-table: install
	mkdir -p artifacts/bench
	for name in latency general peers optimality churn; do \
		$(BIN)/valleyfill bench $$name --json $(QUICK) > artifacts/bench/$$name.json || exit 1; \
	done
	if [ -d $(DATA) ]; then $(BIN)/valleyfill bench closed-loop --data $(DATA) --json $(QUICK) \
		> artifacts/bench/closed-loop.json; fi
	$(BIN)/python -m benchmarks.table artifacts/bench README.md
	$(BIN)/python -m benchmarks.plot artifacts/bench

# Ten rounds of hang, crash and memory blow-up in every solver of the supervised process.
.PHONY: resilience fuzz-flow
resilience: install
	mkdir -p artifacts/bench
	$(BIN)/valleyfill bench resilience --json $(QUICK) > artifacts/bench/resilience.json
	@cat artifacts/bench/resilience.json

# N random instances of all that the flow holds, against the linear program.
fuzz-flow: install
	$(BIN)/python -m benchmarks.fuzz --n $(N)

# Outside `make test`: the data does not ship. Writes artifacts/real-data.json.
real-data: install
	$(BIN)/python -m benchmarks.real_data --data $(DATA) --out artifacts/real-data.json

# Heavy work, each with its figures as JSON: N kills in a row, N fuzzed bodies, N limit cuts.
N ?= 100
PILES ?= 500
CHAOS_WORKERS ?= 2
.PHONY: kill-test fuzz limit-cuts chaos chaos-quick
# Fault by fault, all 32 of them and the page: half an hour. The quick third is part of `make test`.
chaos: system install
	$(BIN)/python -m tests.chaos --workers $(CHAOS_WORKERS) --out artifacts/chaos.json

# The table of docs/ from the last run's figures.
.PHONY: chaos-page
chaos-page:
	$(BIN)/python -m tests.chaos.page artifacts/chaos.json docs/pages/faults.md

chaos-quick: system install
	$(BIN)/python -m tests.chaos --quick --workers $(CHAOS_WORKERS) --out artifacts/chaos-quick.json

kill-test: system install
	$(BIN)/python -m tests.integration.kill_loop $(N)

fuzz: install
	$(BIN)/python -m tests.unit.fuzz_wire $(N)

# FLOOD: telemetry messages a second that come in beside the cuts.
FLOOD ?= 0
limit-cuts: system install
	$(BIN)/python -m tests.integration.limit_cuts $(PILES) $(N) $(FLOOD)

HOURS ?= 24
.PHONY: soak mutants
soak: system install
	$(BIN)/python -m tests.integration.soak $(PILES) $(HOURS)

# The safety kernel, changed in one place at a time: how many changes a test finds.
mutants: install
	$(BIN)/python -m pip install --quiet --disable-pip-version-check "mutmut>=3"
	$(BIN)/mutmut run --max-children 2
	$(BIN)/mutmut export-cicd-stats
	@cat mutants/mutmut-cicd-stats.json

clean:
	rm -rf $(VENV) build dist .mypy_cache .pytest_cache .ruff_cache .hypothesis
