# `make help` lists the targets. Each one makes what it needs: an environment `.venv*`, a build, a wheel in `dist/`;
# stamp files inside them keep it from being made twice.
.DEFAULT_GOAL := help
SHELL := /bin/bash
.DELETE_ON_ERROR:
.SECONDEXPANSION:

# Which Python the environments are made with.
PYTHON ?= python3
# Arguments of `ferrograd demo`, or of `examples/run.py`.
ARGS ?=
# Arguments of pytest, as `make test-python PYTEST_ARGS='-k conv'`.
PYTEST_ARGS ?=
# Processes of pytest.
JOBS ?= 2
# Not empty: `make bench` installs PyTorch and JAX to compare with.
PEERS ?=
# Python files that are linted; a folder may be missing in an unpacked sdist.
PYTHON_FOLDERS := $(wildcard python tests benches examples tools)

VENVS := .venv .venv-build .venv-demo .venv-examples .venv-bench
MANIFESTS := Cargo.toml Cargo.lock pyproject.toml
# Folders too, so that a removed file counts as a change.
RUST := $(MANIFESTS) $(shell find rust -type d -o -name '*.rs' -o -name '*.toml')
PACKAGE := $(shell find python -name '*.py' -o -name '*.pyi' -o -name py.typed) README.md LICENSE-MIT LICENSE-APACHE

# The wheel of the tests and the cargo tests share these, and so most of one build in `target/testing`.
# The binding has no cargo tests; with it, cargo unites the features as it does for the wheel.
TESTED := -p ferrograd-array -p ferrograd-cpu -p ferrograd-binding --features ferrograd-binding/testing
NEXTEST := $(shell cargo nextest --version >/dev/null 2>&1 && echo yes)
CARGO_DENY := $(shell cargo deny --version >/dev/null 2>&1 && echo yes)

.PHONY: help demo examples test lint fmt bench build test-rust test-python smoke test-long asan wheel sdist clean cargo

help: ## Print this list
	@grep -hE '^[a-z-]+:.*## ' $(firstword $(MAKEFILE_LIST)) | sed -E 's/^([a-z-]+):.*## /\1\t/' \
		| while IFS=$$'\t' read -r name what; do printf '  %-12s %s\n' "$$name" "$$what"; done

demo: .venv-demo/.installed ## Train a CNN on handwritten digits with the release wheel; ARGS='--seed 1 --plain'
	.venv-demo/bin/ferrograd demo $(ARGS)

examples: .venv-examples/.installed ## Run every example in full (an hour), print one table; FERROGRAD_DATA=folder, ARGS='--only 8 18'
	.venv-examples/bin/python examples/run.py $(ARGS)

test: test-rust test-python ## Run the cargo tests, the doc tests and pytest

lint: .venv/.dev | cargo ## Check format, lints and types; changes nothing
	.venv/bin/ruff check $(PYTHON_FOLDERS)
	.venv/bin/ruff format --check $(PYTHON_FOLDERS)
	.venv/bin/mypy
	cargo fmt --all --check
	PYO3_PYTHON=$(CURDIR)/.venv/bin/python cargo clippy --locked --workspace --all-targets -- -D warnings
	PYO3_PYTHON=$(CURDIR)/.venv/bin/python cargo clippy --locked --workspace --all-targets --all-features -- -D warnings
ifdef CARGO_DENY
	cargo deny --workspace check bans licenses sources
	@if cargo deny fetch db; then cargo deny --workspace check advisories; \
		else echo "lint: the database of advisories cannot be reached, so advisories were NOT checked" >&2; fi
else
	@echo "lint: cargo-deny is not installed, so licences and advisories were NOT checked (cargo install cargo-deny)"
endif

fmt: .venv/.dev | cargo ## Format Rust and Python, sort imports, apply the safe fixes
	.venv/bin/ruff check --fix $(PYTHON_FOLDERS)
	.venv/bin/ruff format $(PYTHON_FOLDERS)
	cargo fmt --all

bench: .venv-bench/.installed $(if $(PEERS),.venv-bench/.peers) ## Time kernels, ops and steps, compare with the peers; PEERS=1 installs them
	cargo bench -p ferrograd-benches -- --warm-up-time 0.5 --measurement-time 1.5
	.venv-bench/bin/pytest benches -p no:cacheprovider --benchmark-only --benchmark-storage=benches/saved \
		--benchmark-autosave $(if $(wildcard benches/saved/*/*.json),--benchmark-compare) $(PYTEST_ARGS)
	.venv-bench/bin/python benches/peers.py

build: .venv/.core dist/.wheel .venv-demo/.installed ## Build all that the tests and the demo need
ifdef NEXTEST
	cargo nextest run --cargo-profile testing $(TESTED) --tests --no-run
else
	cargo test --profile testing $(TESTED) --tests --no-run
endif

test-rust: | cargo ## Run the cargo tests and the doc tests
ifdef NEXTEST
	cargo nextest run --cargo-profile testing $(TESTED) --tests
else
	cargo test --profile testing $(TESTED) --tests
endif
	cargo test --profile testing $(TESTED) --doc

test-python: .venv/.core dist/.wheel ## Run pytest
	.venv/bin/pytest -n $(JOBS) --dist worksteal --benchmark-disable $(PYTEST_ARGS)

smoke: .venv-demo/.installed ## Run the demo to its end
	.venv-demo/bin/ferrograd demo --plain

test-long: .venv/.core dist/.wheel ## Run what is too long for CI: all 2^32 floats, many geometries, the sdist
ifdef NEXTEST
	cargo nextest run --profile long --cargo-profile testing $(TESTED) --tests --run-ignored only --no-tests pass
else
	cargo test --profile testing $(TESTED) --tests -- --ignored
endif
	.venv/bin/pytest -m long $(PYTEST_ARGS)

asan: | cargo ## Run the Rust tests under AddressSanitizer
	RUSTC_BOOTSTRAP=1 RUSTFLAGS='-Zsanitizer=address' cargo test --profile testing $(TESTED) --tests \
		--target $$(rustc -vV | sed -n 's/^host: //p')

wheel: dist/.wheel ## Build the release wheel into dist/

sdist: .venv-build/.maturin | cargo ## Build the source distribution into dist/
	.venv-build/bin/maturin sdist --out dist

clean: ## Remove every build product and environment
	rm -rf $(VENVS) target dist .pytest_cache .ruff_cache .mypy_cache .benchmarks
	find python tests benches examples tools -name __pycache__ -prune -exec rm -rf {} +
	rm -f python/ferrograd/_core*.so

cargo:
	@command -v cargo >/dev/null || { echo "cargo was not found: ferrograd needs Rust, see https://rustup.rs" >&2; exit 1; }

$(VENVS:=/.made):
	@command -v $(PYTHON) >/dev/null \
		|| { echo "$(PYTHON) was not found: ferrograd needs Python 3.11 or newer (make PYTHON=/path/to/python)" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo "$(PYTHON) is $$($(PYTHON) -V 2>&1): ferrograd needs Python 3.11 or newer (make PYTHON=/path/to/python)" >&2; exit 1; }
	$(PYTHON) -m venv --clear $(@D)
	@touch $@

.venv/.dev: .venv/.made pyproject.toml tools/requirements.py
	.venv/bin/python tools/requirements.py dev > .venv/requirements.txt
	.venv/bin/pip install --quiet -r .venv/requirements.txt
	@touch $@

# maturin refuses to choose between two active environments.
.venv/.core: .venv/.dev $(RUST) | cargo
	env -u CONDA_PREFIX VIRTUAL_ENV=$(CURDIR)/.venv \
		.venv/bin/maturin develop --profile testing --features testing
	@touch $@

.venv-build/.maturin: .venv-build/.made pyproject.toml tools/requirements.py
	.venv-build/bin/python tools/requirements.py build > .venv-build/requirements.txt
	.venv-build/bin/pip install --quiet -r .venv-build/requirements.txt
	@touch $@

dist/.wheel: .venv-build/.maturin $(RUST) $(PACKAGE) | cargo
	rm -f dist/*.whl
	.venv-build/bin/maturin build --release --compression-level 9 \
		--interpreter $(CURDIR)/.venv-build/bin/python --out dist
	@touch $@

# pip leaves an installed wheel of the same version in place, whatever the new one holds.
.venv-demo/.installed .venv-examples/.installed .venv-bench/.installed: $$(@D)/.made dist/.wheel
	$(@D)/bin/pip uninstall -qq --yes ferrograd
	$(@D)/bin/pip install --quiet "$$(echo dist/*.whl)[$(patsubst .venv-%,%,$(@D))]"
	@touch $@

.venv-bench/.peers: .venv-bench/.made
	.venv-bench/bin/pip install --quiet torch==2.13.0 jax
	@touch $@
