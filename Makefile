# Commands for people who work on Watchword; `make help` lists them.

PY ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
PIP_INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check
EXTRAS := demo phones postgres telemetry
RUNS_ON := requirements.txt $(EXTRAS:%=requirements-%.txt)
BUILD_TOOLS := $(CURDIR)/$(VENV)/build-tools
WORKERS ?= 2
RESET ?=

.DEFAULT_GOAL := help
.PHONY: help pictures demo test install-test test-core test-postgresql test-scenarios test-phones test-browser check fix bench faults ha fuzz requirements dist deb clean

help: ## show this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "  make %-16s %s\n", $$1, $$2}'
	@echo "  PY=python3.13 chooses the Python (3.12 or newer) for a new $(VENV)."

# The environment ------------------------------------------------------------------------------------------------------

$(BIN)/python:
	@$(PY) -c 'import sys; sys.exit(sys.version_info < (3, 12))' 2>/dev/null || { \
	  echo "Watchword needs Python 3.12 or newer; '$(PY)' is $$($(PY) --version 2>&1 || echo not there)." >&2; \
	  echo "Try: make $(MAKECMDGOALS) PY=python3.13" >&2; exit 1; }
	@$(PY) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "'$(PY)' can't make virtual environments; on Debian and Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	@echo "Making $(VENV) with $$($(PY) --version)."
	@$(PY) -m venv $(VENV)

# The build tools are in a folder that only the build uses: the runtime environment has none.
$(VENV)/.installed: $(RUNS_ON) requirements-build.txt pyproject.toml | $(BIN)/python
	@echo "Installing what Watchword runs on."
	@$(PIP_INSTALL) --require-hashes --only-binary :all: $(addprefix -r ,$(RUNS_ON))
	@$(PIP_INSTALL) --require-hashes --only-binary :all: --upgrade --target $(BUILD_TOOLS) -r requirements-build.txt
	@PYTHONPATH=$(BUILD_TOOLS) $(PIP_INSTALL) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/.installed-dev: requirements-dev.txt $(VENV)/.installed
	@echo "Installing what tests and checks need."
	@$(PIP_INSTALL) --require-hashes --only-binary :all: -r requirements-dev.txt
	@touch $@

# Try it ---------------------------------------------------------------------------------------------------------------

demo: $(VENV)/.installed ## try everything on this machine; RESET=1 begins anew
	@WATCHWORD_HOME="$${WATCHWORD_HOME:-$(CURDIR)/.demo}" exec $(BIN)/watchword demo $(if $(RESET),--reset) \
	  $(if $(WEB_PORT),--web-port $(WEB_PORT)) $(if $(IMAP_PORT),--imap-port $(IMAP_PORT)) \
	  $(if $(SUBMISSION_PORT),--submission-port $(SUBMISSION_PORT))

# Test it --------------------------------------------------------------------------------------------------------------

# Every part runs even if an earlier one failed; the last lines say which tests were left out, as tests/left_out.py lists
# them, and which parts failed. With TEST_DEMAND_ALL=1 no test may be left out.
test: $(VENV)/.installed-dev ## run everything: checks, tests on SQLite and PostgreSQL, real mail servers and carriers, a real browser
	@scripts/install-test-packages
	@failed=; TEST_LEFT_OUT=$$(mktemp) || exit 1; export TEST_LEFT_OUT; \
	for part in check test-core test-postgresql test-scenarios test-phones test-browser; do \
	  echo; echo "=== make $$part"; $(MAKE) --no-print-directory $$part || failed="$$failed $$part"; done; \
	echo; if [ -s "$$TEST_LEFT_OUT" ]; then echo "LEFT OUT: $$(paste -sd';' "$$TEST_LEFT_OUT" | sed 's/;/; /g')"; \
	else echo "Nothing was left out."; fi; rm -f "$$TEST_LEFT_OUT"; \
	if [ -n "$$failed" ]; then echo "FAILED:$$failed" >&2; exit 1; fi

test-core: $(VENV)/.installed-dev ## run the tests that need nothing but Python, on SQLite
	@$(PYTEST) -q -n $(WORKERS) --dist worksteal -m "not browser and not scenario and not install"

test-postgresql: $(VENV)/.installed-dev ## run those of them that may use a database on PostgreSQL
	@if ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || command -v initdb >/dev/null; then \
	  $(PYTEST) -q -n $(WORKERS) --dist worksteal -m "not browser and not scenario and not install" --database postgresql; \
	else echo "#### LEFT OUT: PostgreSQL is not installed, so nothing was tested on it. ####"; \
	  [ -z "$$TEST_LEFT_OUT" ] || echo "the tests on PostgreSQL, which is not installed" >> "$$TEST_LEFT_OUT"; \
	  [ -z "$$TEST_DEMAND_ALL" ]; fi

# Tests with real servers and browsers depend on timeouts, which tests in parallel can break. So they run in parallel, and
# those that failed are repeated one by one, where no other test takes their CPU or ports; they must pass there.
ALONE := --last-failed --last-failed-no-failures none

# Each pytest worker has its own mail site, folders, ports and database; a file runs in one worker, so each site starts once.
test-scenarios: $(VENV)/.installed-dev ## run the tests with real mail servers
	@$(PYTEST) -q -n $(WORKERS) --dist loadfile -m scenario --ignore tests/phones || $(PYTEST) -q -m scenario --ignore tests/phones $(ALONE)

# Calls last as long as people talk and need little CPU: several run in parallel.
test-phones: $(VENV)/.installed-dev ## run the tests with real carriers: SMPP, HTTP, Kannel, SIP
	@$(PYTEST) -q -n 4 -m scenario tests/phones || $(PYTEST) -q -m scenario tests/phones $(ALONE)

# Each test file has a demo of its own, and each worker a browser.
test-browser: $(VENV)/.installed-dev ## run the tests with a real browser
	@$(PYTEST) -q -n $(WORKERS) --dist loadfile -m browser || $(PYTEST) -q -m browser $(ALONE)

install-test: $(VENV)/.installed-dev ## install and boot whole systems under systemd; takes minutes
	@scripts/install-test-packages
	@$(PYTEST) -q -m install --timeout 900

check: $(VENV)/.installed-dev ## look for mistakes without running anything: style, types, imports, migrations
	@$(BIN)/ruff check --quiet .
	@$(BIN)/ruff format --check --quiet . || { echo "Some files aren't formatted; run: make fix" >&2; exit 1; }
	@$(BIN)/mypy
	@$(BIN)/lint-imports --no-cache
	@WATCHWORD_DEMO=yes WATCHWORD_HOME=$$(mktemp -d) $(BIN)/watchword makemigrations --check --dry-run

fix: $(VENV)/.installed-dev ## mend style and format
	@$(BIN)/ruff check --fix --quiet . ; $(BIN)/ruff format --quiet .

faults: $(VENV)/.installed-dev ## kill every process a hundred times under load, restart under 10,000 requests; takes minutes
	@TEST_KILLS=100 TEST_REQUESTS=10000 $(PYTEST) -q -m scenario --timeout 900 tests/scenarios/served/test_kills.py \
		tests/scenarios/served/test_restarts.py tests/scenarios/served/test_zero_downtime.py

# Patroni, etcd and HAProxy are Debian's; PostgreSQL refuses root, so the programs change to the user postgres.
ha: $(VENV)/.installed-dev ## kill nodes for ten minutes, then the primary of PostgreSQL twenty times; takes half an hour
	@$(BIN)/python -m tests.scenarios.nodes.campaign --seconds 600 --kill-every 60 --deeds kill --half --people 3000
	@$(BIN)/python -m tests.scenarios.nodes.campaign --primary-kills 20 --clients 4 --people 1200 --pause 0.2

fuzz: $(VENV)/.installed-dev ## let hypothesis look for ways in and ways to fall over; takes ten minutes
	@TEST_FUZZ_SECONDS=600 $(PYTEST) -q --timeout 1500 tests/security/test_parsers.py
	@TEST_MACHINE_EXAMPLES=300 TEST_CRAWL_EXAMPLES=5000 $(PYTEST) -q --timeout 1500 tests/machine tests/security -k "rac_01 or planted or typed"

bench: $(VENV)/.installed-dev ## measure the hot path beside its bare limit, codes and calls under load, what pumping gets out
	@$(BIN)/python -m benchmarks
	@$(BIN)/python -m benchmarks phones
	@$(BIN)/python -m benchmarks dovecot
	@$(BIN)/python -m benchmarks pumping
	@$(BIN)/python -m benchmarks limits
	@$(BIN)/python -m benchmarks apps

pictures: $(VENV)/.installed-dev ## take the pictures of the documentation anew, with the browser tests
	@rm -rf .pictures && TEST_PICTURES=$(CURDIR)/.pictures $(PYTEST) -q tests/browser/test_story.py -k "not without"
	@cp .pictures/story-panel.png docs/pictures/panel.png
	@cp .pictures/story-phone-delivery.png docs/pictures/phone-delivery.png
	@cp .pictures/story-telephone-speaks.png docs/pictures/telephone.png
	@cp .pictures/story-app-password-once.png docs/pictures/app-password.png
	@cp .pictures/story-security-info.png docs/pictures/security-info.png

# Look after it --------------------------------------------------------------------------------------------------------

# One resolution for all files, so that tests run on the shipped versions; each file alone is enough for its extra.
requirements: ## pin what pyproject.toml and requirements-*.in ask for, with hashes (needs uv)
	@command -v uv >/dev/null || { echo "This needs uv: pip install uv" >&2; exit 1; }
	@pin="uv pip compile --quiet --universal --python-version 3.12 --generate-hashes --no-annotate --no-header --no-emit-index-url"; \
	$$pin --upgrade pyproject.toml requirements-dev.in --all-extras -o requirements-dev.txt && \
	$$pin --upgrade requirements-build.in -o requirements-build.txt && \
	$$pin --upgrade -c requirements-dev.txt pyproject.toml -o requirements.txt && \
	for extra in $(EXTRAS); do \
	  $$pin --upgrade -c requirements-dev.txt pyproject.toml --extra $$extra -o requirements-$$extra.txt || exit 1; done

# The wheel is built from the sdist, so that a build from the sdist gives the same wheel.
dist: $(VENV)/.installed ## build sdist and wheel into dist; docs/release.md says what follows
	@rm -rf build dist && mkdir dist
	@export PYTHONPATH=$(BUILD_TOOLS) SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2>/dev/null || date +%s) && \
	$(BIN)/python -c 'from setuptools.build_meta import build_sdist; build_sdist("dist")' >/dev/null && \
	$(BIN)/python -m pip wheel --quiet --disable-pip-version-check --no-deps --no-build-isolation --wheel-dir dist dist/*.tar.gz
	@ls dist

deb: dist ## build the Debian package for Debian 13 into dist; needs Debian and Python 3.13
	@SOURCE_DATE_EPOCH=$$(git log -1 --format=%ct 2>/dev/null || date +%s) \
	  scripts/build-deb $(CURDIR)/$(BIN)/python dist/*.whl dist

clean: ## remove what was installed and what tests left; the demo's data too
	@rm -rf $(VENV) .demo .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache build dist *.egg-info test-results
