# Two commands do everything from a fresh clone: `make demo` and `make test`. Each target calls a script of scripts/, which
# the workflows of .github/ call too. TORCH_INDEX: see CONTRIBUTING.md.
PYTHON ?= python3
VENV := .venv
FLOOR := .venv-floor
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
FLOOR_BIN := $(FLOOR)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)
READY := $(VENV)/.ready
FLOOR_READY := $(FLOOR)/.ready
VERSIONS := constraints/development.txt

.PHONY: demo test test-all test-floor lint docs constraints build clean

demo: $(READY)  ## fit a real table, print the verdict, say where the report is
	$(BIN)/annvil fit sample:breast-cancer --budget 2m

test: lint  ## lint, types, floors, and the default suite
	$(BIN)/python scripts/test.py

test-all: lint  ## the slow tests too
	$(BIN)/python scripts/test.py --all

test-floor: $(FLOOR_READY)  ## the default suite with the oldest versions that are promised to work
	$(FLOOR_BIN)/python scripts/test.py

lint: $(READY)
	$(BIN)/python scripts/lint.py

docs: $(READY)  ## build the documentation into site/, warnings are errors
	$(BIN)/python scripts/docs.py

constraints: $(READY)  ## write the versions of this environment into constraints/development.txt
	$(BIN)/python scripts/constraints.py

build: $(READY)  ## source distribution and wheel into dist/, checked
	$(BIN)/python scripts/install.py --only release
	$(BIN)/python scripts/release.py

$(READY): pyproject.toml $(VERSIONS)
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python scripts/install.py --extras test,docs --constraints $(VERSIONS)
	touch $@

$(FLOOR_READY): pyproject.toml constraints/floor.txt
	$(PYTHON) -m venv $(FLOOR)
	$(FLOOR_BIN)/python scripts/install.py --extras test --constraints constraints/floor.txt
	touch $@

clean:
	rm -rf $(VENV) $(FLOOR) site dist .mypy_cache .ruff_cache .pytest_cache .hypothesis
