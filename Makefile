# `make demo` and `make test` do all the set-up on a fresh machine.
PYTHON ?= python3
PYTHONS ?= 3.11 3.12 3.13
# Much of the time, tests wait for other programs.
WORKERS ?= $(shell expr `nproc` + 2)
VENV := .venv
BIN := $(VENV)/bin

.DEFAULT_GOAL := help
.PHONY: help demo image test check docs pictures release-check bench clean components

help: ## what there is
	@grep -E '^[a-z-]+:.*##' Makefile | sed 's/:.*## /\t/' | expand -t 18

$(VENV)/installed: pyproject.toml
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --editable '.[pypi,server]'
	touch $@

$(VENV)/ready: $(VENV)/installed
	$(BIN)/pip install --quiet --editable '.[dev,docs]'
	touch $@

components: ## install the real programs that the tests use (Debian packages, as root)
	@sh tools/components.sh

demo: $(VENV)/installed ## build a Python image, push it, change a dependency, push again: one layer moves
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh examples/comfyui-cpu/demo.sh

test: $(VENV)/ready components ## everything
	@root=$${TMPDIR:-/tmp}/lamella-tests-$$$$; mkdir -p "$$root"; PYTEST_DEBUG_TEMPROOT="$$root" $(BIN)/pytest -n $(WORKERS) --dist worksteal; code=$$?; rm -rf "$$root"; exit $$code

check: $(VENV)/ready ## lint, types, import arrows, and the pages with all that they link to
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/pytest tests/test_arrows.py tests/docs

image: $(VENV)/ready ## build the image of lamella: deploy/image/image.json
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh deploy/image/make.sh

docs: $(VENV)/ready ## make docs/reference and docs/man anew from the code, and the site: build/site/index.html
	$(BIN)/python -m tools.reference
	$(BIN)/python -m tools.manual
	$(BIN)/python -m sphinx -E -a -W --keep-going -q -n -d build/pages docs build/site

pictures: $(VENV)/ready ## record the README's terminal and page anew (needs Debian's chromium-headless-shell)
	$(BIN)/python -m tools.recording

release-check: $(VENV)/ready ## see that the newest commit can be published, on each of PYTHONS
	@$(BIN)/python -m tools.release $(PYTHONS)

bench: $(VENV)/ready components ## measure beside other programs, all of it or ONLY=build,push; docs/benchmarks.md reads the figures
	@PATH="$(CURDIR)/$(BIN):$$PATH" python -m benchmarks $(ONLY)

clean: ## remove what was made here
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .hypothesis build/pages build/site demo
