# One command set for people and CI. `make run` and `make test` build what they need.

PYTHON ?= python3
VENV := .venv
BIN := $(CURDIR)/$(VENV)/bin
export VIRTUAL_ENV := $(CURDIR)/$(VENV)
export PIP_DISABLE_PIP_VERSION_CHECK := 1

RUST := $(shell find native -name '*.rs' -not -path '*/target/*' -not -path 'native/fuzz/*') \
  $(shell find native -name 'Cargo.*' -not -path '*/target/*' -not -path 'native/fuzz/*')
CYTHON := $(wildcard native/cython/*.pyx native/cython/*.pxd native/cython/*.h)
DATA ?= var
PORT ?= 8000
FUZZ_SECONDS ?= 60
SOAK_SECONDS ?= 180

.PHONY: stubs help build run test bench bench-quick load load-gateway leak soak fuzz asan lint fmt clean openai-suite

help:
	@echo "make build   make .venv and build both distributions, release mode"
	@echo "make run     build, then serve on http://127.0.0.1:$(PORT) with data in ./$(DATA)"
	@echo "make test    build, then run the whole test suite"
	@echo "make bench   build, then measure the kernels beside their peers (a quarter of an hour) into benches/README.md"
	@echo "make bench-quick   the same on small inputs: proves that the benches run"
	@echo "make load    build, then measure the server under load and print one table"
	@echo "make load-gateway   build, install the gateways to measure against, and measure ours beside them (ten minutes)"
	@echo "make load-gateway ARGS=--quick   proves that all of it runs that is installed"
	@echo "make openai-suite   build, then run the official Python client's own tests of our /v1 routes"
	@echo "make leak    build, then look for memory that a kernel's calls leave behind, about a minute"
	@echo "make soak    build, then SOAK_SECONDS ($(SOAK_SECONDS)) of mixed traffic through /v1: memory, descriptors, tasks as before?"
	@echo "make fuzz    build, then fuzz every kernel for FUZZ_SECONDS ($(FUZZ_SECONDS)) against what is too simple to be wrong"
	@echo "make asan    the kernels' tests on kernels built with sanitizers"
	@echo "make lint    ruff, mypy, stubtest, cargo fmt, clippy"
	@echo "make stubs   make the model process's gRPC modules anew from infer/service.proto"
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
	$(BIN)/python -m pip install --progress-bar on --editable ".[server,models]"
	@touch $@

$(VENV)/.stamp-test: $(VENV)/.stamp-build
	@echo "==> installing what the tests need"
	$(BIN)/python -m pip install --progress-bar on --editable ".[server,models,test]"
	@touch $@

$(VENV)/.stamp-dev: $(VENV)/.stamp-test
	$(BIN)/python -m pip install --quiet --editable ".[server,models,test,dev]"
	@touch $@

run: build
	$(BIN)/xiaoer serve --data $(DATA) --port $(PORT)

test: $(VENV)/.stamp-test
	$(BIN)/python -m pytest $(ARGS)

$(VENV)/.stamp-bench: $(VENV)/.stamp-build
	@echo "==> installing the libraries to measure against"
	$(BIN)/python -m pip install --progress-bar on --editable ".[server,models,bench]"
	@touch $@

bench: $(VENV)/.stamp-bench
	$(BIN)/python -m benches $(ARGS)

bench-quick: $(VENV)/.stamp-bench
	$(BIN)/python -m benches --quick $(ARGS)

load: $(VENV)/.stamp-build
	$(BIN)/python -m benches.load $(ARGS)

# Each peer is installed as its documents say, or left out of the table with the reason.
LITELLM := litellm[proxy]==1.106.2
PORTKEY := @portkey-ai/gateway@1.15.2
PEERS := .venv-litellm/.stamp-$(lastword $(subst ==, ,$(LITELLM))) build/load/.stamp-portkey \
  build/load/.stamp-go build/load/.stamp-rust

.venv-litellm/.stamp-%:
	@echo "==> installing $(LITELLM) into a .venv-litellm of its own"
	$(PYTHON) -m venv .venv-litellm
	-.venv-litellm/bin/python -m pip install --quiet "$(LITELLM)" && touch $@

build/load/.stamp-portkey: Makefile
	@mkdir -p build/load/portkey
	-npm install --silent --no-audit --no-fund --prefix build/load/portkey "$(PORTKEY)" && touch $@

build/load/.stamp-go: benches/load/standins/relay.go
	@mkdir -p build/load
	-go build -trimpath -o build/load/go-relay $< && touch $@

build/load/.stamp-rust: benches/load/standins/rust/src/main.rs benches/load/standins/rust/Cargo.toml
	@mkdir -p build/load
	-cd benches/load/standins/rust && cargo build --quiet --release --locked --target-dir $(CURDIR)/build/load/rust && touch $(CURDIR)/$@

load-gateway: $(VENV)/.stamp-build $(if $(findstring --quick,$(ARGS)),,$(PEERS))
	$(BIN)/python -m benches.load.gateway $(ARGS)

# The official client's own tests of our routes, from its source distribution.
openai-suite: $(VENV)/.stamp-test
	PYTHONPATH=tests:. $(BIN)/python -m openai_suite

soak: $(VENV)/.stamp-test
	PYTHONPATH=tests:. $(BIN)/python -m soak --seconds $(SOAK_SECONDS) $(ARGS)

leak: $(VENV)/.stamp-test
	XIAOER_LEAK_SECONDS=0.3 $(BIN)/python -m pytest tests/leaks $(ARGS)

# One run a CPU at a time. A wheel of atheris is not made for every Python; without it the inputs are not guided.
fuzz: $(VENV)/.stamp-test
	@$(BIN)/python -m pip install --quiet --only-binary :all: "atheris>=3,<4" || echo "==> no atheris for this Python"
	PYTHONPATH=tests $(BIN)/python -m fuzz.run --seconds $(FUZZ_SECONDS) $(ARGS)

asan: $(VENV)/.stamp-dev
	PYTHONPATH=tests $(BIN)/python -m fuzz.asan $(ARGS)

lint: $(VENV)/.stamp-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python -m mypy.stubtest --mypy-config-file pyproject.toml --allowlist native/stubtest-allowlist.txt xiaoer_native xiaoer._queue xiaoer._sse
	cd native && cargo fmt --all --check
	cd native && PYO3_PYTHON=$(BIN)/python cargo clippy --workspace --all-targets --locked -- -D warnings
	cd native/fuzz && cargo fmt --check && cargo clippy --no-default-features --locked --target-dir ../target/fuzz/lint -- -D warnings

# The Python modules of the model process's protocol.
stubs: $(VENV)/.stamp-dev
	$(BIN)/python -m grpc_tools.protoc -Iserver --python_out=server --pyi_out=server --grpc_python_out=server \
	  server/xiaoer_server/infer/service.proto

fmt: $(VENV)/.stamp-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	cd native && cargo fmt --all
	cd native/fuzz && cargo fmt

clean:
	rm -rf $(VENV) .venv-litellm build dist native/target *.egg-info pycore/xiaoer/*.so native/cython/*.c
