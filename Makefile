# Each command below first makes .venv from requirements.txt, when it is missing or outdated.
# Needed: Python 3.11 to 3.13 with pip, and make. Settings, for instance `make demo CORES=2`:

# The interpreter that makes .venv.
PYTHON ?= python3
# Jobs that may run at once.
CORES ?= $(shell nproc 2>/dev/null || sysctl -n hw.ncpu 2>/dev/null || echo 1)
# Address of one of PyTorch's own package indexes, for a build other than the usual one (on Linux
# that is CUDA's): the "CPU" or "ROCm" address that PyTorch's installation page shows.
TORCH_INDEX ?=
# More options for snakemake or pytest, for instance OPTIONS=--dry-run or OPTIONS="-k metrics".
OPTIONS ?=
# Snakemake 9.27 looks at all jobs each time this span ends, once for every job so far; but it also
# waits that long at the end, so it is for many short jobs.
CALM = --max-jobs-per-timespan 1000/5s
# A job of several threads waits until so many cores are free at once; the demo's are short.
NARROW = --set-threads preferred_images=1 preprocess_images=1 corrupt_images=1

IN_VENV = PATH="$(CURDIR)/.venv/bin:$$PATH" python
INSTALLED = .venv/requirements.installed

.PHONY: help demo paper test benchmark format clean

help:
	@echo "make demo                     the whole workflow in small, on simulated recordings"
	@echo "make paper PAPER=kindel2019   every figure and table of one paper, from its data"
	@echo "make test                     style, library, workflow"
	@echo "make benchmark                measure speed, side by side (slow)"
	@echo "make format                   lay the code out"
	@echo "make clean                    remove what the demo and the tools left"

demo: $(INSTALLED)
	$(IN_VENV) -m snakemake --cores $(CORES) --directory demo --configfile demo/config.yaml $(CALM) $(NARROW) $(OPTIONS)
	@echo "Figures and tables of simulated recordings:"
	@cd demo/results 2>/dev/null || exit 0; for folder in */; do \
	  files=$$(cd $$folder && ls -C *.png */*.png *.md 2>/dev/null); \
	  test -z "$$files" || printf '\ndemo/results/%s\n%s\n' $$folder "$$files"; done

paper: $(INSTALLED)
	@test -n "$(PAPER)" || { echo "which paper? For instance: make paper PAPER=kindel2019"; exit 2; }
	$(IN_VENV) -m snakemake $(PAPER) --cores $(CORES) $(OPTIONS)

test: $(INSTALLED)
	$(IN_VENV) -m pytest -q -n $(CORES) --dist loadfile --no-loadscope-reorder $(OPTIONS)

benchmark: $(INSTALLED)
	@set -e; for script in benchmarks/*_*.py; do PYTHONPATH=scripts:tests $(IN_VENV) $$script $(OPTIONS); done

format: $(INSTALLED)
	$(IN_VENV) -m ruff check --fix .
	$(IN_VENV) -m ruff format .
	$(IN_VENV) -m snakefmt Snakefile rules

clean:
	rm -rf demo/data demo/results demo/logs demo/.snakemake .pytest_cache .ruff_cache

$(INSTALLED): requirements.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is too old: set PYTHON to a Python 3.11, 3.12 or 3.13"; exit 2; }
	$(PYTHON) -m venv .venv
	$(if $(TORCH_INDEX),$(IN_VENV) -m pip install --index-url $(TORCH_INDEX) $$(grep '^torch==' requirements.txt))
	$(IN_VENV) -m pip install --requirement requirements.txt
	@cp requirements.txt $@
