# make demo: sets up and runs the main job end to end on the embedded gallery.  make test: sets up and passes the tests.

PYTHON ?= python3.11
VENV := .venv
BIN := $(VENV)/bin
CODE := pipeline trainer benchmarks tests setup.py  # and not what demo or a user has made beside them

.PHONY: demo test lint setup clean

setup: $(VENV)/ready

$(VENV)/ready: setup.py
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade pip
	$(BIN)/pip install --quiet --editable '.[train,dev]'
	touch $@

demo: setup
	$(BIN)/python -m pipeline.build --crop=64 --samples=16
	$(BIN)/python -m pipeline.verify datasets/crop64x16
	$(BIN)/python -m trainer.main --flagfile=trainer/recipes/quickstart.flags

test: lint
	$(BIN)/python -m pytest -q --numprocesses=auto --maxprocesses=4 --dist=loadfile --durations=10

lint: setup
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/mypy
	$(BIN)/lint-imports --no-cache

clean:
	rm -rf $(VENV) datasets runs
