# Two commands do everything from a fresh clone: `make demo` and `make test`.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
SIDE_BY_SIDE := -n 2 --dist loadfile

.PHONY: demo test test-all lint docs clean

demo: $(READY)  ## fit a real table, print the verdict, say where the report is
	$(BIN)/annvil fit sample:breast-cancer --budget 2m

test: lint  ## lint, types, floors, and the default suite
	$(BIN)/python -m pytest -q $(SIDE_BY_SIDE)

test-all: lint  ## the slow tests too
	$(BIN)/python -m pytest -q -m "" $(SIDE_BY_SIDE)

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

docs: $(READY)  ## build the documentation into site/, warnings are errors
	$(BIN)/pip install -q -e ".[docs]"
	$(BIN)/mkdocs build --strict

$(READY): pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --disable-pip-version-check -e ".[test]"
	touch $@

clean:
	rm -rf $(VENV) site .mypy_cache .ruff_cache .pytest_cache .hypothesis
