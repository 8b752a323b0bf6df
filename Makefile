# Tocsin. `make help` explains itself.
PORT ?= 8800
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CONSOLE := hub/web/static/console/index.html
CONSOLE_SOURCES := $(shell find hub/console/src hub/console/public -type f 2>/dev/null) hub/console/package.json hub/console/vite.config.ts hub/console/index.html

# Python's parts, the system's packages and the console are fetched side by side; one after the other where Node itself comes through pip.
TOGETHER := $(MAKE) --no-print-directory -j$(if $(shell command -v node),3,1)

.PHONY: help run test check soak bench console sbom clean

help: ## say what each target does
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

run: ## run the hub with a living demo district (PORT=8800 by default)
	@$(TOGETHER) $(VENV)/.hub $(CONSOLE)
	@exec $(BIN)/tocsin up --demo --port $(PORT) --data-dir var

test: ## everything that CI runs
	@$(TOGETHER) $(VENV)/.test $(VENV)/.system $(CONSOLE)
	@exec scripts/test

check: $(VENV)/.test ## lint, types, layers, secrets, known vulnerabilities
	@exec scripts/check

soak: $(VENV)/.test $(VENV)/.system $(CONSOLE) ## the long runs: reliability at full size
	@exec $(BIN)/python -m pytest -m soak --timeout 5400 -p no:randomly

bench: $(VENV)/.test $(VENV)/.system $(CONSOLE) ## every benchmark, one after the other
	@for name in $$($(BIN)/python -c 'from hub.operate.bench import BENCHES; print(*BENCHES)'); do $(BIN)/tocsin bench $$name --json; done

console: $(CONSOLE) ## build the console

sbom: $(VENV)/.test ## lists of all parts, Python's and the console's (CycloneDX)
	@$(BIN)/cyclonedx-py environment $(BIN)/python --output-format JSON --output-file sbom.json
	@scripts/with-node npm sbom --sbom-format cyclonedx --omit=dev --package-lock-only > sbom-console.json
	@echo sbom.json sbom-console.json

clean: ## remove what was built (not the data in var/)
	rm -rf $(VENV) hub/web/static/console hub/console/node_modules build dist *.egg-info

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.hub: pyproject.toml constraints.txt | $(VENV)/bin/python
	TOCSIN_SKIP_CONSOLE=1 $(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e '.[hub]'
	@touch $@

$(VENV)/.test: pyproject.toml constraints.txt | $(VENV)/bin/python
	TOCSIN_SKIP_CONSOLE=1 $(BIN)/python -m pip install --disable-pip-version-check -q -c constraints.txt -e '.[hub,test]'
	@touch $@ $(VENV)/.hub

$(VENV)/.system: scripts/system-packages | $(VENV)/bin/python
	scripts/system-packages
	@touch $@

$(CONSOLE): $(CONSOLE_SOURCES) | $(VENV)/bin/python
	scripts/build-console
