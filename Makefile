# Everything one does with this checkout. `make` alone starts the service; CI runs `.ci/run`.

# Build results lie in the user's cache directory, so that the clone stays small.
export CARGO_TARGET_DIR ?= $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/tollbook/target
export TOLLBOOK_DATA_DIR ?= $(CURDIR)/tollbook-data

tools := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/tollbook/tools/bin
openapi := openapi/tollbook.json

.DEFAULT_GOAL := run
.PHONY: run test check fmt bench faults openapi golden setup arrows lint licenses fresh htmx

## The service on SQLite in an empty directory, after a walk through its main job; it goes on running.
run:
	cargo run --bin tollbook -- demo

## Everything that the tests need, installed once.
setup:
	tools/setup

## All tests, with real components on both stores; then the races of calls and revocations once more in a build
## without the fence, where they must find what they look for.
test: setup
	cargo test --workspace --no-fail-fast
	cargo test --package tollbook --package tollbook-journal \
		--features tollbook/fence-off,tollbook-journal/fence-off --test main --test race -- \
		revocation_leaves_no_permit_behind_it no_call_stands_behind_the_revocation

## What must hold before a commit: form, lints, licences, arrows, generated files.
check: lint licenses arrows fresh

lint:
	cargo fmt --all --check
	cargo clippy --workspace --all-targets -- -D warnings

# Duplicates are warnings, and many: `cargo deny check bans` shows them.
licenses:
	tools/setup cargo_deny
	PATH="$(tools):$$PATH" cargo deny --log-level error check bans licenses sources

arrows:
	cargo test --quiet --test arrows

# Generated files are committed and must be what their sources say.
fresh:
	@generated=$$(mktemp) && trap 'rm -f "$$generated"' EXIT \
		&& cargo run --quiet --bin tollbook -- openapi >"$$generated" \
		&& { diff -u $(openapi) "$$generated" || { echo "$(openapi) is stale: make openapi" >&2; exit 1; }; }
	@cargo test --quiet --package tollbook-aggregates golden -- --list | grep ': test$$' >/dev/null \
		|| { echo 'no test named golden…: nothing compares the golden list of events' >&2; exit 1; }
	cargo test --quiet --package tollbook-aggregates golden

## The OpenAPI document, made anew.
openapi:
	@mkdir -p $(dir $(openapi))
	@generated=$$(mktemp) && trap 'rm -f "$$generated"' EXIT \
		&& cargo run --quiet --bin tollbook -- openapi >"$$generated" && cp "$$generated" $(openapi)

## The golden list of events, made anew; read the diff.
golden:
	UPDATE_GOLDEN=1 cargo test --quiet --package tollbook-aggregates golden

## htmx for the console's pages, from npm: `make htmx VERSION=4.0.1`, then its release notes and the browser tests.
htmx:
	@test -n "$(VERSION)" || { echo 'say which: make htmx VERSION=4.0.1' >&2; exit 2; }
	@into=$(CURDIR)/console/assets && there=$$(mktemp -d) && trap 'rm -rf "$$there"' EXIT && cd "$$there" \
		&& npm pack --silent htmx.org@$(VERSION) >/dev/null && tar xzf htmx.org-*.tgz \
		&& cp package/dist/htmx.min.js "$$into/" && cp package/LICENSE "$$into/htmx.LICENSE" \
		&& echo $(VERSION) >"$$into/htmx.version" && echo "htmx $(VERSION)"

fmt:
	cargo fmt --all

## Figures, printed with what they are compared to, and written into docs/benchmarks. Ten minutes on two cores
## with nothing else on them; BENCH_SECONDS, BENCH_ROUNDS and BENCH_ONLY make it shorter.
bench: export BENCH_DATE ?= $(shell date -u +%F)
bench:
	tools/setup postgres node_packages wrk
	cargo bench --bench figures

## The promises under faults: each experiment by itself, in some minutes; LONG=1 makes it hours. Prints one table and
## writes it into docs/benchmarks/faults.md. Goes on after a failure, and fails in the end if a condition didn't
## hold. FAULTS=word runs only the experiments whose names hold that word.
faults: export TOLLBOOK_SERVICE_KILLS ?= $(if $(LONG),100,10)
faults: export TOLLBOOK_DATABASE_KILLS ?= $(if $(LONG),50,8)
faults: export TOLLBOOK_DATABASE_RESTARTS ?= $(if $(LONG),50,5)
faults: export TOLLBOOK_RACE_ROUNDS ?= $(if $(LONG),170000,5000)
faults: export TOLLBOOK_BACKEND_ROUNDS ?= $(if $(LONG),60,4)
faults: export TOLLBOOK_SNAPSHOT_SECONDS ?= $(if $(LONG),60,20)
faults: export TOLLBOOK_DISK_FULLS ?= $(if $(LONG),50,3)
faults: export TOLLBOOK_POOL_SECONDS ?= $(if $(LONG),300,10)
faults: export TOLLBOOK_REBUILD_KILLS ?= $(if $(LONG),10,3)
faults: export TOLLBOOK_REBUILD_SESSIONS ?= $(if $(LONG),400000,40000)
faults: export TOLLBOOK_REBUILD_FLIPS ?= $(if $(LONG),1000,50)
faults: export TOLLBOOK_HISTORIES ?= $(if $(LONG),1000,20)
faults: export FAULTS_FORM ?= $(if $(LONG),long,short)
faults: setup
	tools/faults $(FAULTS)
