# One command set for people and CI. `make run` and `make test` build what they need.

PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

RUST := $(shell find native -name '*.rs' -not -path '*/target/*') $(shell find native -name 'Cargo.*' -not -path '*/target/*')
CYTHON := $(wildcard native/cython/*.pyx native/cython/*.pxd)
DATA ?= var
PORT ?= 8000

.PHONY: help build run test bench bench-quick load lint fmt clean

help:
	@echo "make build   make .venv and build both distributions, release mode"
	@echo "make run     build, then serve on http://127.0.0.1:$(PORT) with data in ./$(DATA)"
	@echo "make test    build, then run the whole test suite"
	@echo "make bench   build, then measure the kernels beside their peers (a quarter of an hour) into benches/README.md"
	@echo "make bench-quick   the same on small inputs: proves that the benches run"
	@echo "make load    build, then measure the server under load and print one table"
	@echo "make lint    ruff, mypy, stubtest, cargo fmt, clippy"
	@echo "make fmt     format Python and Rust"
	@echo "make clean   remove what was built"

build: $(VENV)/.stamp-build

$(VENV)/.stamp-venv:
	@echo "==> making $(VENV)"
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@touch $@

$(VENV)/.stamp-native: $(VENV)/.stamp-venv native/pyproject.toml native/xiaoer_native.pyi $(RUST)
	@echo "==> building the Rust kernels, release mode (about a minute the first time)"
	$(BIN)/python -m pip install --quiet "maturin>=1.9,<2"
	cd native && $(BIN)/maturin develop --release --locked
	@touch $@

$(VENV)/.stamp-build: $(VENV)/.stamp-native pyproject.toml setup.py $(CYTHON)
	@echo "==> building the Cython kernels and installing the server"
	$(BIN)/python -m pip install --progress-bar on --editable ".[server]"
	@touch $@

$(VENV)/.stamp-test: $(VENV)/.stamp-build
	@echo "==> installing what the tests need"
	$(BIN)/python -m pip install --progress-bar on --editable ".[server,test]"
	@touch $@

$(VENV)/.stamp-dev: $(VENV)/.stamp-test
	$(BIN)/python -m pip install --quiet --editable ".[server,test,dev]"
	@touch $@

run: build
	$(BIN)/xiaoer serve --data $(DATA) --port $(PORT)

test: $(VENV)/.stamp-test
	$(BIN)/python -m pytest $(ARGS)

$(VENV)/.stamp-bench: $(VENV)/.stamp-build
	@echo "==> installing the libraries to measure against"
	$(BIN)/python -m pip install --progress-bar on --editable ".[server,bench]"
	@touch $@

bench: $(VENV)/.stamp-bench
	$(BIN)/python -m benches $(ARGS)

bench-quick: $(VENV)/.stamp-bench
	$(BIN)/python -m benches --quick $(ARGS)

load: $(VENV)/.stamp-build
	$(BIN)/python -m benches.load $(ARGS)

lint: $(VENV)/.stamp-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest --mypy-config-file pyproject.toml --allowlist native/stubtest-allowlist.txt xiaoer_native xiaoer._queue xiaoer._sse
	cd native && cargo fmt --all --check
	cd native && PYO3_PYTHON=$(BIN)/python cargo clippy --workspace --all-targets --locked -- -D warnings

fmt: $(VENV)/.stamp-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	cd native && cargo fmt --all

clean:
	rm -rf $(VENV) build dist native/target *.egg-info pycore/xiaoer/*.so native/cython/*.c
