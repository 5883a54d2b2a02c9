# `make quickstart` shows the harness at work, `make test` checks it. Both start from nothing.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SAMPLE := build/sample
# For pip, e.g. the address of torch's CPU build. foolbox stands without its dependencies on purpose
# (requirements-no-deps.txt), which pip need not report as a conflict.
PIP_ARGUMENTS ?=
PIP := $(VENV)/bin/python -m pip install --quiet --no-warn-conflicts $(PIP_ARGUMENTS)
# mlcommons-loadgen has no wheel for Python 3.14, and pip would not say so.
CHECK := import sys; \
	version = sys.version_info[:2]; \
	sys.exit(None if (3, 10) <= version <= (3, 13) else \
	"This is Python %d.%d, and LoadGen has packages for 3.10 to 3.13: " % version + \
	"install one of them and give it, as in make quickstart PYTHON=python3.13")
OF_SAMPLE := --profile efficientnet-lite0-openvino \
	--model $(SAMPLE)/efficientnet-lite0_fp32.xml --dataset-path $(SAMPLE)/imagenet \
	--cache-dir build/cache --overwrite
RUN := $(BIN)/python main.py $(OF_SAMPLE)

.PHONY: quickstart smoke results-table efficientnet-table test lint clean

quickstart: $(VENV)/ready
	$(BIN)/python sample.py --output $(SAMPLE) --cache-dir build/cache
	$(RUN) --time 10 --output build/quickstart/performance
	$(RUN) --accuracy --output build/quickstart/accuracy

# Everything once, in less than a minute: both kinds of run, and a comparison with its report.
SMOKE := build/smoke
smoke: $(VENV)/ready
	$(BIN)/python sample.py --output $(SAMPLE) --cache-dir build/cache
	$(RUN) --queries 100 --output $(SMOKE)/performance
	$(RUN) --accuracy --output $(SMOKE)/accuracy
	$(BIN)/python compare.py $(OF_SAMPLE) --threads 1 2 --queries 64 --queries-per-turn 8 \
		--rounds 6 --output $(SMOKE)/comparison

# ResNet-50's table in docs/comparing.md: fourteen model files, compared in interleaved rounds.
xml_BACKEND := openvino
onnx_BACKEND := onnxruntime
tvm_BACKEND := tvm
pt_BACKEND := torch
VARIANTS := fp32 int8 pruned50_fp32 pruned50_int8
MODELS := $(foreach suffix,xml onnx tvm,$(foreach variant,$(VARIANTS),\
	build/models/resnet50_$(variant).$(suffix))) \
	build/models/resnet50_fp32.pt build/models/resnet50_pruned50_fp32.pt

results-table: $(MODELS)
	$(BIN)/python compare.py matrices/results-table.toml --output build/results-table

# resnet50_[pruned50_]PRECISION.SUFFIX
build/models/resnet50_%: | $(VENV)/ready
	$(BIN)/python prepare.py resnet50 --weights random --output build/models --cache-dir build/cache \
		--backend $($(subst .,,$(suffix $*))_BACKEND) $(if $(findstring pruned50,$*),--prune 0.5) \
		--precision $(if $(findstring int8,$*),int8,fp32)

# EfficientNet-Lite0 on all backends: INT8 and pruning are calibrated with CALIBRATION, by default the
# last ten of the sample's images; matrices/efficientnet-lite0.toml measures top-1 on the first ten.
CALIBRATION ?= build/calibration
LITE_PRUNING := --prune 0.2 --prune-method obs --prune-scope fisher --reconstruct
LITE_VARIANTS := fp32 int8 pruned20_fp32 pruned20_int8
LITE_MODELS := $(foreach suffix,xml onnx tvm,$(foreach variant,$(LITE_VARIANTS),\
	build/models/efficientnet-lite0_$(variant).$(suffix))) \
	build/models/efficientnet-lite0_fp32.pt build/models/efficientnet-lite0_pruned20_fp32.pt

efficientnet-table: $(LITE_MODELS)
	$(BIN)/python compare.py matrices/efficientnet-lite0.toml --output build/efficientnet-table

# efficientnet-lite0_[pruned20_]PRECISION.SUFFIX
build/models/efficientnet-lite0_%: | $(CALIBRATION)
	$(BIN)/python prepare.py efficientnet-lite0 --weights package --output build/models \
		--cache-dir build/cache --backend $($(subst .,,$(suffix $*))_BACKEND) \
		--precision $(if $(findstring int8,$*),int8,fp32) $(if $(findstring pruned20,$*),$(LITE_PRUNING)) \
		$(if $(findstring int8,$*)$(findstring pruned20,$*),--calibration-path $(CALIBRATION))

build/calibration: | $(VENV)/ready
	$(BIN)/python sample.py --output $(SAMPLE) --cache-dir build/cache
	mkdir -p $@
	tail -n 10 $(SAMPLE)/imagenet/val_map.txt | cut -d ' ' -f 1 | \
		while read name; do cp "$(SAMPLE)/imagenet/$$name" $@; done

test: $(VENV)/ready-dev lint
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .

$(VENV)/ready: requirements.txt requirements-prepare.txt requirements-no-deps.txt
	@$(PYTHON) -c '$(CHECK)'
	$(PYTHON) -m venv $(VENV)
	$(PIP) -r requirements.txt -r requirements-prepare.txt
	$(PIP) --no-deps -r requirements-no-deps.txt
	touch $@

$(VENV)/ready-dev: $(VENV)/ready requirements-dev.txt requirements-triton.txt
	$(PIP) -r requirements.txt -r requirements-prepare.txt -r requirements-dev.txt
	$(PIP) --no-deps -r requirements-triton.txt || echo "Tests that need Triton will be skipped."
	touch $@

clean:
	rm -rf $(VENV) build
