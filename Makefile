# Two commands are all the set-up: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN = $(VENV)/bin
STAMP = $(VENV)/.installed

.PHONY: demo test quick lint docs bench install clean

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade -c constraints.txt pip
	$(BIN)/python -m pip install --quiet -c constraints.txt -e ".[dev,docs,music21,score,studio,dask,hub]"
	touch $@

demo: install
	$(BIN)/python examples/demo.py

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

# Warnings are errors, broken references too.
docs: install
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet --jobs 2 --builder html docs site

test: install
	$(MAKE) -j 2 lint docs  # side by side: each of them uses one core most of the time
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder  # two processes, one thread each

# Lint, types and the tests that take no more than a few seconds each: under 90 seconds on two cores.
quick: lint
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -q -m "not slow"

# What users wait for, beside the least that the machine needs: writes docs/performance.md. Takes five minutes.
bench: install
	$(BIN)/python bench/suite.py

clean:
	rm -rf $(VENV) demo build dist site
