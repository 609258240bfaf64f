# Needs only Python >= 3.10 and make; everything else goes into .venv.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALLED := $(VENV)/installed

.PHONY: help demo test lint format clean

help:
	@echo "make demo    train a small agent, evaluate the shipped one, draw both (about 4 minutes)"
	@echo "make test    lint, types and the whole test suite (under 6 minutes on 2 cores)"
	@echo "make lint    ruff and mypy"
	@echo "make format  let ruff rewrite the code"
	@echo "make clean   remove what make has made, .venv included"

$(INSTALLED): pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "driftwise needs Python >= 3.10")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[dev]'
	touch $@

demo: $(INSTALLED)
	$(BIN)/driftwise demo

test: lint
	OMP_NUM_THREADS=1 MKL_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist worksteal

lint: $(INSTALLED) .types/driftwise
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The type checker finds the package under its name, though the folder may have another.
.types/driftwise:
	mkdir -p .types && ln -sfn .. $@

format: $(INSTALLED)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

clean:
	rm -rf $(VENV) .types build *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis
