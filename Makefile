# The one command for each thing. `make demo` and `make test` need Python 3.11, make and git alone.
.DELETE_ON_ERROR:
PYTHON ?= python3.11
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.installed

.PHONY: help demo test check bench clean

help:  ## what there is
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/'

$(STAMP): pyproject.toml constraints.txt
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing into $(VENV) (once; a few minutes on a slow line)"
	@$(BIN)/pip install -q --disable-pip-version-check -c constraints.txt -e '.[dev]'
	@touch $@

demo: $(STAMP)  ## start everything, 2,000 cars of 92 automakers, and six things to try
	@$(BIN)/motorcade demo

test: $(STAMP)  ## every test but the long fault runs' largest sizes
	@$(BIN)/pytest -n 2 --dist loadgroup

check: $(STAMP)  ## format, lint, types, layers, unit tests: under a minute
	@$(BIN)/ruff format --check src tests bench
	@$(BIN)/ruff check src tests bench
	@$(BIN)/mypy
	@$(BIN)/lint-imports
	@$(BIN)/pytest -q -n 2 -m "not engines and not faults and not page and not processes and not sweep"

bench: $(STAMP)  ## every figure, as a table
	@$(BIN)/motorcade bench all

clean:  ## remove the environment and caches, never data
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis build
