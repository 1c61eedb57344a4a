# The two commands of the README are `make demo` and `make test`; each prepares all it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: setup demo test test-slow lint format bench docs clean

setup: $(VENV)/.ready

$(VENV)/.ready: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "plectrum needs Python 3.11 or newer; set PYTHON=..."; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[test,lint]"
	@touch $@

demo: setup  ## the main job on the New York flights of 2013
	$(BIN)/python examples/demo.py

test: setup  ## the whole suite, without what is marked slow
	$(BIN)/python -m pytest -n 2

test-slow: setup  ## what takes minutes, or needs the tools of other projects
	$(BIN)/python -m pytest -m slow

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup  ## those that need no peer of their own; the others say in their first lines what they need
	$(BIN)/python benchmarks/vocabulary/encode.py
	$(BIN)/python benchmarks/nn/layers.py
	$(BIN)/python benchmarks/readme_table.py

format: setup
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

$(VENV)/.docs: $(VENV)/.ready
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable ".[docs]"
	@touch $@

docs: $(VENV)/.docs  ## the guide, in site/; each number and picture in it is computed by the build
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache build dist
