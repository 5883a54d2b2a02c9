# `make quickstart` shows the harness at work, `make test` checks it. Both start from nothing.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
SAMPLE := build/sample
# An address of torch's CPU build can be added here: make PIP_ARGUMENTS="--extra-index-url …"
PIP_ARGUMENTS ?=
RUN := $(BIN)/python main.py --profile efficientnet-lite0-openvino \
	--model $(SAMPLE)/efficientnet-lite0_fp32.xml --dataset-path $(SAMPLE)/imagenet \
	--cache-dir build/cache --overwrite

.PHONY: quickstart test lint clean

quickstart: $(VENV)/ready
	$(BIN)/python sample.py --output $(SAMPLE) --cache-dir build/cache
	$(RUN) --time 10 --output build/quickstart/performance
	$(RUN) --accuracy --output build/quickstart/accuracy

test: $(VENV)/ready-dev lint
	$(BIN)/python -m pytest

lint: $(VENV)/ready-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy .

$(VENV)/ready: requirements.txt requirements-no-deps.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet $(PIP_ARGUMENTS) -r requirements.txt
	$(BIN)/python -m pip install --quiet $(PIP_ARGUMENTS) --no-deps -r requirements-no-deps.txt
	touch $@

$(VENV)/ready-dev: $(VENV)/ready requirements-dev.txt
	$(BIN)/python -m pip install --quiet $(PIP_ARGUMENTS) -r requirements-dev.txt
	touch $@

clean:
	rm -rf $(VENV) build
