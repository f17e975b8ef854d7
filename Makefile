# `make demo` and `make test` do all the set-up on a fresh machine.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo image test check docs bench clean components

help: ## what there is
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 18

$(VENV)/ready: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[dev,pypi]'
	touch $@

components: ## install the real programs that the tests use (Debian packages, as root)
	@sh tools/components.sh

demo: $(VENV)/ready ## build a Python image, push it, change a dependency, push again: one layer moves
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh examples/comfyui-cpu/demo.sh

test: $(VENV)/ready components ## everything
	@root=$${TMPDIR:-/tmp}/lamella-tests-$$$$; mkdir -p "$$root"; PYTEST_DEBUG_TEMPROOT="$$root" $(BIN)/pytest -n auto; code=$$?; rm -rf "$$root"; exit $$code

check: $(VENV)/ready ## lint, types, import arrows, and the pages that are made from the code
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pytest tests/test_arrows.py tests/docs

image: $(VENV)/ready ## build the image of lamella: deploy/image/image.json
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh deploy/image/make.sh

docs: $(VENV)/ready ## make docs/reference anew from the code
	$(BIN)/python -m tools.reference

bench: $(VENV)/ready components ## measure beside other programs, all of it or ONLY=build,push; docs/benchmarks.md reads the figures
	@PATH="$(CURDIR)/$(BIN):$$PATH" python -m benchmarks $(ONLY)

clean: ## remove what was made here
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis demo
