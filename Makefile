# The two commands of the README, and what packagers need. Everything works without root, except
# that missing packages (fio; for `make test` also Chromium) are installed only where that is possible.

.PHONY: demo test build check man completions bench help

help:
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

demo: ## real fio three times on this machine, a model, a verdict, a report
	@scripts/demo

test: ## format, lints, unit, program and real-component tests
	@scripts/test

build: ## programs for daily use, in target/release
	cargo build --release

check: ## the quick loop: format and lints
	cargo fmt --check
	cargo clippy --all-targets -- -D warnings

man: ## manual pages, in target/man
	@scripts/generate man target/man

completions: ## shell completions, in target/completions
	@scripts/generate completions target/completions

bench: ## criterion benches and run-perf's own cost per sample
	cargo bench
	scripts/bench-overhead
