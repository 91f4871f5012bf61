# What a developer types. `make demo` and `make test` each work as the very first command on a
# machine with Python 3.11+, pip and make: the virtual environment is made here, once, by uv where
# it is on the path and else by pip; the stamp files make the second time quick.

VENV   ?= .venv
BIN    := $(VENV)/bin
PY     := $(BIN)/python
UV     := $(shell command -v uv 2>/dev/null)
# The first interpreter that is new enough; `make PYTHON=/path/to/python3.12 …` overrides it.
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11 python; do \
	"$$p" -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo "$$p"; break; }; done)

RUN := $(VENV)/.made-run
DEV := $(VENV)/.made-dev

DEMO_DIR  ?= demo
DEMO_ARGS ?=
TEST_ARGS ?=
# Tests run in so many processes, a file of tests in one of them: two cores have work for three,
# since many tests wait for a server or a process of theirs.
TEST_WORKERS ?= 3
PYTEST = "$(PY)" -m pytest -n $(TEST_WORKERS) --dist loadfile --no-loadscope-reorder

.PHONY: help demo system test lint format types imports docs test-fast test-peers test-long bench pre-commit clean
.DEFAULT_GOAL := help
.NOTPARALLEL:

help:  ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | awk -F'\t' '{printf "make %-11s %s\n", $$1, $$2}'

# -- the environment ------------------------------------------------------------------------------

# $(call install,ARGUMENTS): uv first; pip where uv is missing or does not manage (a mirror that
# only pip is configured for). Dependency groups need pip 25.1.
define install
	@if [ -n "$(UV)" ] && "$(UV)" pip install --quiet --python "$(PY)" $(1); then :; else \
	  "$(PY)" -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1' && \
	  "$(PY)" -m pip install --quiet --disable-pip-version-check $(1); fi
endef

# A Python without ensurepip (Debian's, without python3-venv) still has a pip that can fill one.
$(PY):
	@test -n "$(PYTHON)" || { echo "fascicle needs Python 3.11 or newer: none of python3, python3.11 … is" >&2; exit 2; }
	@echo "making $(VENV) with $(PYTHON) (once)"
	@"$(PYTHON)" -m venv "$(VENV)" >/dev/null 2>&1 || { \
	  "$(PYTHON)" -m venv --clear --without-pip "$(VENV)" && \
	  "$(PYTHON)" -m pip --quiet --python "$(PY)" install pip; }

$(RUN): pyproject.toml | $(PY)
	@echo "installing fascicle (once)"
	$(call install,-e '.[all]')
	@touch $@

$(DEV): pyproject.toml | $(PY)
	@echo "installing fascicle with the tools for tests and docs (once)"
	$(call install,-e '.[all]' --group dev)
	@touch $(RUN) $@

# -- using it ---------------------------------------------------------------------------------------

demo: $(RUN)  ## make a synthetic lab in ./demo, index it, find, load, plot
	@"$(BIN)/fascicle" demo "$(DEMO_DIR)" $(DEMO_ARGS)

# -- checking it ------------------------------------------------------------------------------------

# What no Python package brings: servers that tests talk to. Installed only where it is missing.
system:
	@tools/system-packages nginx node npm postgres systemd-analyze

test: $(DEV) system lint docs  ## everything that must be green: lint, types, imports, docs, tests
	$(PYTEST) -m "not long and not heavy" $(TEST_ARGS)

lint: $(DEV)  ## ruff, mypy strict, the contract of the floors
	"$(BIN)/ruff" check
	"$(BIN)/ruff" format --check
	"$(BIN)/mypy"
	"$(BIN)/lint-imports"

format: $(DEV)  ## let ruff tidy the code
	"$(BIN)/ruff" check --fix
	"$(BIN)/ruff" format

docs: $(DEV)  ## build the documentation into docs/_build/html, warnings are errors
	"$(PY)" -m sphinx -W --keep-going -q -b html docs docs/_build/html

test-fast: $(DEV) system  ## tests that need no peer and no long run
	$(PYTEST) -m "not long and not peer" $(TEST_ARGS)

test-peers: $(DEV)  ## only the comparisons with the peers, each in an environment of its own
	$(PYTEST) -m "peer and not long" $(TEST_ARGS)

test-long: $(DEV) system  ## the fault and fuzz runs in full length
	$(PYTEST) -m long $(TEST_ARGS)

bench: $(DEV)  ## side by side with the peers
	-@tools/system-packages nginx cc curl postgres wrk
	"$(PY)" -m benchmarks

pre-commit: $(DEV)  ## let the hooks run at each commit
	"$(BIN)/pre-commit" install

clean:  ## remove what was built, not the environments
	rm -rf docs/_build docs/api/generated build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
