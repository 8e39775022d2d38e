# make demo: the main job, on real weights and real photographs. make test: the tests. Both set themselves up.
# make app: the error browser, on the runs in runs/. make screenshots: its pictures in reports/app; needs Chromium.
# make reports: the committed tables and pictures that need no run, seconds.
# make mutants: the tests of the tests, minutes. make proof: every promise of the README, measured, under an hour.

VENV ?= .venv
BIN := $(VENV)/bin
PYTHON ?= python3

# Where set, each process compiles torch anew, 6 s of two cores, and the tests begin hundreds.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: demo app screenshots test mutants proof reports bench growth hierarchy lint usable install lock clean

demo: usable
	$(BIN)/repro demo

app: usable
	$(BIN)/repro app

screenshots: install
	$(BIN)/python -m tests.browser.screenshots

# One thread a process: the tests share the cores among themselves.
test: install lint
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist loadfile --no-loadscope-reorder

mutants: install
	$(BIN)/python -m tests.proof.mutants

proof: install
	$(BIN)/python -m tests.proof
	$(BIN)/python -m tests.proof --readme

# Writes repro/catalogue/hierarchy.csv and glosses.csv anew; needs WordNet 3.0: apt-get install wordnet-base (Debian).
hierarchy:
	$(PYTHON) -m repro.catalogue.build_hierarchy

# Both measure, and want a machine that does nothing else. bench: against timm's own loop, over an hour.
# growth: 1,000 to 50,000 images made for it, a quarter of an hour and 13 GB in build/growth.
bench: install
	$(BIN)/python -m tests.speed.bench

growth: install
	$(BIN)/python -m tests.speed.growth build/growth

reports: install
	$(BIN)/repro reports reports

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# What a user needs; `install` adds what the tests need, Ray and ImageNet-X (CC BY-NC 4.0) among it.
usable: $(VENV)/.usable
install: $(VENV)/.installed

PIP_INSTALL = $(BIN)/uv pip install --quiet --python $(BIN)/python --constraint requirements.lock

$(VENV)/.usable: pyproject.toml requirements.lock
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv
	$(PIP_INSTALL) --editable '.[demo,labels]'
	touch $@

$(VENV)/.installed: $(VENV)/.usable
	$(PIP_INSTALL) --editable '.[dev]'
	touch $@

# Pins anew what pyproject.toml asks for; the lock names no registry.
lock: install
	$(BIN)/uv pip compile --quiet --universal --upgrade --all-extras --no-emit-index-url --no-annotate --no-header \
		pyproject.toml --output-file requirements.lock

clean:
	rm -rf $(VENV) dist .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
