# Everything here works on a machine with Python 3.11, gcc, make and git alone.
PYTHON  ?= python3.11
PROFILE ?= mini
VENV    := .venv
RUN     := $(VENV)/bin/python
READY   := $(VENV)/.ready
ZOO     := $(VENV)/.zoo
CLUSTER := $(VENV)/.cluster
DOCS    := $(VENV)/.docs
PEERS   := .peers

# LIBRISPEECH=, SLURP=, LYRA= and WHISPER= on the command line reach the profiles as environment variables,
# which make does by itself; an explicit export would set those that are not given to nothing.

EXPERIMENTS_mini    := mini mini_floors
EXPERIMENTS_probing := probing probing_anchors ctc_ablation
EXPERIMENTS_libri   := libri_speech libri_commands
EXPERIMENTS_paper   := paper_speech paper_asr paper_intent
EXPERIMENTS_codec_paper := codec_paper
EXPERIMENTS_survey  := survey_reconstruction survey_conversion survey_asr survey_intent survey_length
EXPERIMENTS         := $(EXPERIMENTS_$(PROFILE))
PROFILES            := mini, probing, libri, paper, codec_paper, survey
# SIZE=mini: the same steps on the synthetic corpus, by tokenizers that need no download.
ARGS_survey_mini    := profile=survey_mini dataset=synthetic hydra/launcher=joblib hydra.launcher.n_jobs=-1 \
	tokenizer=mel_rvq,whisper_kmeans,opus_6k,ground_truth conversion_pairs=conf/dataset/synthetic_utt2prompt.txt
NAME                := $(PROFILE)$(if $(SIZE),_$(SIZE))
SIZED               := $(ARGS_$(NAME)) $(ARGS)
TABLES              := $(or $(RESULTS),results)/$(NAME)
KNOWN                = test -n "$(EXPERIMENTS)" && test -z "$(SIZE)" -o -n "$(ARGS_$(NAME))" || \
	{ echo "unknown PROFILE '$(PROFILE)' or SIZE '$(SIZE)'; legal: $(PROFILES); SIZE=mini of survey" >&2; exit 2; }
MEASURED            := $(or $(OUT),$(or $(RESULTS),results)/measurements)

.DEFAULT_GOAL := help
.PHONY: help reproduce-table plan status tables tokenizers metrics sheets doctor data bench zoo cluster test test-conformance docs lint type clean

help: ## Show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F':.*## ' '{printf "  make %-16s %s\n", $$1, $$2}'
	@echo
	@echo "  profiles: mini (default), probing, libri (make reproduce-table PROFILE=libri LIBRISPEECH=… SLURP=… LYRA=…), paper, codec_paper,"
	@echo "  survey (LIBRITTS=… TESTSET_B=… UTT2PROMPT=… LIBRISPEECH=… SLURP=… NEMO_PYTHON=…; SIZE=mini tries all of it on a CPU)"

reproduce-table: $(READY) ## Run every job of PROFILE that has no result yet, and write results/PROFILE/tables
	@$(KNOWN)
	@status=0; for experiment in $(EXPERIMENTS); do \
		$(RUN) -m benchmark run experiment=$$experiment $(SIZED) || status=1; \
	done; $(RUN) -m benchmark report $(TABLES) && exit $$status

# Together, for what their jobs share costs once.
plan: $(READY) ## Say what PROFILE costs before it starts: hours, disk, what is done (WORKERS=, RATES=, ARGS=)
	@$(KNOWN)
	@$(RUN) -m benchmark plan experiment=$$(echo $(EXPERIMENTS) | tr ' ' ,) \
		$(if $(WORKERS),--workers $(WORKERS)) $(if $(RATES),--rates $(RATES)) $(SIZED)

status: $(READY) ## Say which jobs of PROFILE are done, missing, stale or failed, and why
	@$(KNOWN)
	@$(RUN) -m benchmark status experiment=$$(echo $(EXPERIMENTS) | tr ' ' ,) $(SIZED)

tables: $(READY) ## Rewrite tables, figures and report.html of PROFILE from its rows
	@$(RUN) -m benchmark report $(TABLES)

tokenizers: $(READY) ## Print the facts of every tokenizer, and what this machine has of each
	@$(RUN) -m benchmark catalogue tokenizers

metrics: $(READY) ## Print what each number means
	@$(RUN) -m benchmark catalogue metrics

sheets: $(READY) ## Rewrite docs/reference/tokenizers.md and metrics.md from the configs
	@$(RUN) -m benchmark catalogue tokenizers --out docs/reference/tokenizers.md
	@$(RUN) -m benchmark catalogue metrics --out docs/reference/metrics.md

doctor: $(READY) ## Say what a run with ARGS="tokenizer=… task=…" would miss on this machine
	@$(RUN) -m benchmark doctor $(ARGS)

data: $(READY) ## Download and check a corpus: DATASET=librispeech, libritts, testset_b or slurp, ROOT=folder, SUBSETS=…
	@$(RUN) -m benchmark data $(DATASET) $(if $(ROOT),"$(ROOT)") $(if $(SUBSETS),--subsets $(SUBSETS)) $(ARGS)

bench: $(READY) ## Measure memory at scale, k-means, encoding, metrics and launchers; pages land in results/measurements, or OUT=
	@$(RUN) -m scripts.bench.scale --out $(MEASURED)/scale.md
	@$(RUN) -m scripts.bench.kmeans --out $(MEASURED)/kmeans_speed.md $(ARGS)
	@$(RUN) -m scripts.bench.encode --out $(MEASURED)/encoding_speed.md $(ARGS)
	@$(RUN) -m scripts.bench.metrics --out $(MEASURED)/metric_speed.md $(ARGS)
	@$(RUN) -m scripts.bench.launchers --out $(MEASURED)/launchers.md
	@$(RUN) -m scripts.bench.scaling --out $(MEASURED)/scaling.md

zoo: $(READY) $(ZOO) ## Install the libraries of the optional tokenizers and speaker encoders

cluster: $(READY) $(CLUSTER) ## Install what runs sweeps on SLURM and on Ray

test: $(READY) $(ZOO) $(CLUSTER) ## Run the tests
	$(RUN) -m pytest

test-conformance: $(READY) $(ZOO) $(PEERS)/.ready ## Compare codes with other implementations; the table is printed, or written to OUT=
	@rows=$$(mktemp); trap 'rm -f "$$rows"' EXIT; status=0; \
	PYTHONPATH="$(CURDIR)/$(PEERS)" CONFORMANCE_ROWS=$$rows \
		$(RUN) -m pytest -m conformance tests/conformance tests/tokenizers || status=1; \
	$(RUN) -m scripts.conformance_table $$rows $(if $(OUT),--out $(OUT)) && exit $$status

docs: $(READY) $(DOCS) ## Build the documentation in site/
	NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict

lint: $(READY) ## Check style with ruff, and spelling
	$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check . && $(VENV)/bin/codespell

type: $(READY) ## Check types with mypy
	$(VENV)/bin/mypy

clean: ## Remove the environment and everything that can be built again (not results/)
	rm -rf $(VENV) $(PEERS) site .cache outputs multirun .pytest_cache .mypy_cache .ruff_cache *.egg-info

# constraints.txt pins every version, so the same checkout is the same environment.
$(READY): pyproject.toml constraints.txt
	@command -v $(PYTHON) >/dev/null || { echo "$(PYTHON) not found; install Python 3.11 or set PYTHON=" >&2; exit 2; }
	@echo "setting up $(VENV): about 5 GB, a few minutes the first time"
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --constraint constraints.txt pip setuptools wheel
	PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(RUN) -m pip install --progress-bar off --quiet --editable '.[mini,lyra,mos,dev]'
	@touch $@

$(ZOO): pyproject.toml constraints.txt | $(READY)
	PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(RUN) -m pip install --progress-bar off --quiet --editable '.[zoo,ecapa]'
	@touch $@

$(CLUSTER): pyproject.toml constraints.txt | $(READY)
	PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(RUN) -m pip install --progress-bar off --quiet --editable '.[cluster]'
	@touch $@

$(DOCS): pyproject.toml constraints.txt | $(READY)
	PIP_CONSTRAINT=$(CURDIR)/constraints.txt $(RUN) -m pip install --progress-bar off --quiet --editable '.[docs]'
	@touch $@

# The peers stay out of the environment: their folder is on the path of their tests alone. One of them
# brings its own tests along as a package of the name of ours.
$(PEERS)/.ready: tests/conformance/peers.txt | $(READY)
	rm -rf $(PEERS)
	$(RUN) -m pip install --quiet --progress-bar off --no-deps --no-compile --build-constraint constraints.txt \
		--target $(PEERS) --requirement $<
	rm -rf $(PEERS)/tests
	@touch $@
