# make report   train the models of a profile, run the notebooks, build the book   (make report PROFILE=laptop)
# make pdf      the same as one page and as a PDF, printed by Chromium or Chrome where one is installed
# make test     lint, types, unit tests, and the notebooks against their stored outputs
# make quick    lint, types and the fast tests: what to run after each edit
# make lab      JupyterLab, with the notebooks paired
# make bench    speed and memory, each beside its peer
# make soak     commands killed at random moments and started again   (make soak SECONDS=1200 SEED=1)
# make fuzz     mutated files: each is read rightly or refused in one line   (make fuzz FILES=1000 SEED=1)
# Each sets up .venv by itself, once. TORCH="torch==2.13.0 --index-url ..." chooses another build of torch.

PROFILE ?= smoke
SECONDS ?= 1200
SEED    ?= 1
FILES   ?= 1000
CORES   ?= $(shell getconf _NPROCESSORS_ONLN)
PYTHON  ?= python3

VENV  := .venv
BIN   := $(VENV)/bin
READY := $(VENV)/.ready
BOOK  := book/_build/html/index.html

# Only a TORCH that somebody gave can make a finished .venv stale.
ifdef TORCH
WANTED := $(VENV)/.torch
endif
TORCH ?= torch==2.13.0
# Scripts hold the path of their environment: one that was copied or renamed with its checkout is another checkout's.
ifneq ($(wildcard $(READY)),)
ifneq ($(shell cat $(READY)),$(CURDIR))
MOVED := force
endif
endif

# The same surroundings as dnakit.notebooks.execute.QUIET: outputs without warnings and progress bars.
QUIET := PYTHONWARNINGS=ignore PYTHONHASHSEED=0 TQDM_DISABLE=1 TRANSFORMERS_VERBOSITY=error \
         HF_HUB_DISABLE_PROGRESS_BARS=1 PYDEVD_DISABLE_FILE_VALIDATION=1

# The operating system drops our lock with its holder (see the Snakefile); Snakemake's own would outlive a kill -9.
SNAKEMAKE := $(BIN)/snakemake --cores $(CORES) --nolock --rerun-incomplete --quiet host rules

# Tests of one file share what they make, so a file stays in one process.
PARALLEL := -n $(CORES) --dist loadfile

# Kernels work in notebooks/, where a relative path would mean another folder; a path may hold blanks.
absolute = $(if $(filter /% ~%,$(firstword $(1))),$(1),$(CURDIR)/$(1))
ifdef DNAKIT_MIRROR
export DNAKIT_MIRROR := $(call absolute,$(DNAKIT_MIRROR))
endif
ifdef DNAKIT_DATA
export DNAKIT_DATA := $(call absolute,$(DNAKIT_DATA))
endif
ifdef DNAKIT_SOURCES
export DNAKIT_SOURCES := $(call absolute,$(DNAKIT_SOURCES))
endif
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: report pdf test quick lint lab bench soak fuzz clean
.DEFAULT_GOAL := report

report: $(READY)
	@$(SNAKEMAKE) --config profile=$(PROFILE)
	@echo "The book, profile $(PROFILE): $(CURDIR)/$(BOOK)"

pdf: report
	@$(BIN)/python book/pdf.py

test: lint
	@$(SNAKEMAKE) --config profile=smoke -- trained
	$(BIN)/pytest $(PARALLEL) --durations=10
	$(QUIET) $(BIN)/pytest --nbval --nbval-current-env --nbval-sanitize-with tests/nbval.cfg -p no:cacheprovider notebooks

quick: lint
	$(BIN)/pytest $(PARALLEL) -m "not slow and not trained"

lint: $(READY)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

lab: $(READY)
	DNAKIT_PROGRESS=1 PYTHONWARNINGS="ignore:IProgress not found" JUPYTER_CONFIG_PATH="$(CURDIR)/.jupyter" $(BIN)/jupyter lab $(if $(filter 0,$(shell id -u)),--allow-root) --LabApp.default_url=/lab/tree/notebooks

bench: $(READY)
	$(BIN)/python -m benchmarks.run

soak: $(READY)
	$(BIN)/python tests/soak.py --seconds $(SECONDS) --seed $(SEED)

fuzz: $(READY)
	$(BIN)/python tests/fuzz.py --files $(FILES) --seed $(SEED)

# Keeps .venv, downloads and trained runs.
clean:
	rm -rf book/_build book/chapters data/cache/jobs .snakemake .pytest_cache .mypy_cache .ruff_cache

$(READY): requirements.lock pyproject.toml $(WANTED) $(MOVED)
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info < (3, 14))' || { \
	  echo "dnakit needs Python 3.11, 3.12 or 3.13: choose one with  make report PYTHON=python3.12" >&2; exit 1; }
	@echo "Setting up $(VENV), once: some minutes, mostly $(firstword $(TORCH))"
	$(if $(MOVED),rm -rf $(VENV))
	$(PYTHON) -m venv $(VENV)
	$(if $(WANTED),@echo '$(TORCH)' > $(VENV)/.torch)
	$(BIN)/pip install --quiet $(TORCH)
	$(BIN)/pip install --quiet -r requirements.lock
	$(BIN)/pip install --quiet --no-deps --no-build-isolation -e .
	@pwd -P > $@

$(VENV)/.torch: force
	@mkdir -p $(VENV)
	@echo '$(TORCH)' | cmp -s - $@ || echo '$(TORCH)' > $@

.PHONY: force
force:
