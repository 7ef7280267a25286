# Everything runs from a bare clone: python3 and make are all that is assumed.
PYTHON ?= python3
UV_VERSION := 0.13.9
BIN := .venv/bin
STAMP := .venv/.installed
RELEASE_STAMP := .release-tools/.installed
# The linters of deploy/ have dependencies that would hold ours back.
TOOLS_STAMP := .tools/.installed
FAST := tests/unit tests/property tests/contract
# So many tests run at once, each on a local AWS of its own; 0 runs them one by one, for a debugger.
TESTS_AT_ONCE ?= 2
PYTEST := -m pytest -n $(TESTS_AT_ONCE) --dist worksteal
# Those that start processes wait for them most of the time. They are handed out one by
# one, in order: tests/integration, which only computes and has none that is long, comes last, beside nobody who waits.
PROCESS_TESTS_AT_ONCE ?= $(if $(filter 2,$(TESTS_AT_ONCE)),3,$(TESTS_AT_ONCE))
PYTEST_PROCESSES := -m pytest -n $(PROCESS_TESTS_AT_ONCE) --dist load --maxschedchunk 1
LOWEST := $(BIN)/uv pip install --quiet --python .lowest/bin/python --resolution lowest-direct
# What no library's version changes: the pure rooms, our tools, what ships, what the producer was tested with alone, the linter.
NOT_BY_VERSION := $(addprefix --ignore tests/unit/,domain enforcer intake query acting benchmarks localstack demo deploy producer test_layout.py)
# An old release may call what one that it needs has deprecated since.
OLD := -W ignore::DeprecationWarning
# Some container images set it, and then every process that a test starts compiles all it imports again: a second each.
unexport PYTHONDONTWRITEBYTECODE
# Others set this one, and would hide that a program under test forgets to flush.
unexport PYTHONUNBUFFERED
# With ARGS="-k name", either half may have no such test; pytest calls that 5.
NO_SUCH_TEST := $(if $(ARGS),5,0)

# What somebody gives, as one word for the shell.
quoted = '$(subst ','"'"',$(1))'

.DEFAULT_GOAL := help
.PHONY: help install run demo test coverage test-fast test-lowest test-localstack test-servers \
	test-forks test-wheels bench bench-judge bench-enforcer \
	bench-producer bench-shim bench-standalone bench-worker bench-units bench-stops bench-end-to-end bench-growth bench-commands bench-dashboard bench-doors bench-rolling bench-plots bench-tournament lint lint-deploy format docs site iam pictures wheels release \
	lock clean

help: ## Show this list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-16s %s\n", $$1, $$2}' Makefile

$(STAMP): requirements.lock pyproject.toml producer/pyproject.toml
	@python="$(PYTHON)"; test ! -x $(BIN)/python || python=$(BIN)/python; \
	found=$$($$python --version 2>&1 | head -n 1); \
	case "$$found" in "Python 3."1[1-9]*|"Python 3."[2-9][0-9]*|"Python "[4-9]*) ;; \
	*) echo "f2b needs Python 3.11 or newer; $$python: $$found. Run: make clean install PYTHON=python3.12" >&2; exit 1;; esac
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@test -x $(BIN)/uv || $(BIN)/python -m pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --require-hashes --requirements requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable . --editable producer
	@touch $(STAMP)

install: $(STAMP) ## Make .venv with everything in it

run: $(STAMP) ## Run the whole road on this machine; Ctrl-C stops it (PORT=N for the shim, DASHBOARD=N for the dashboard)
	@$(BIN)/python -m demo.run $(if $(PORT),--port $(call quoted,$(PORT))) \
	$(if $(DASHBOARD),--dashboard-port $(call quoted,$(DASHBOARD)))

demo: $(STAMP) ## Send an attack through the road and check every ban (DATA=FILE for your own)
	@$(BIN)/python -m demo.prove $(if $(DATA),--data $(call quoted,$(DATA)))

test: $(STAMP) ## Run every test, the fast ones first
	@$(BIN)/python $(PYTEST) $(FAST) $(ARGS) || [ $$? = $(NO_SUCH_TEST) ]
	@$(MAKE) --no-print-directory --silent $(AXE) || true
	@$(BIN)/python $(PYTEST_PROCESSES) tests/browser tests/servers tests/acceptance tests/deploy tests/docs tests/integration $(ARGS) || [ $$? = $(NO_SUCH_TEST) ]

coverage: $(STAMP) ## Run the fast tests, and show the lines that none of them runs
	@rm -f .coverage .coverage.*
	@$(BIN)/coverage run $(PYTEST) $(FAST) $(ARGS)
	@$(BIN)/coverage combine --quiet
	@$(BIN)/coverage report --skip-empty

test-fast: $(STAMP) ## Run the tests that start no worker
	@$(BIN)/python $(PYTEST) $(FAST) $(ARGS)

test-lowest: $(STAMP) ## Run the fast tests on the lowest versions that pyproject.toml allows: 2 minutes
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python .lowest
	@# First the producer alone: beside the worker it would get the worker's boto3.
	@$(LOWEST) --editable 'producer[aws]' --group test
	@.lowest/bin/python $(PYTEST) $(OLD) tests/unit/producer $(ARGS) || [ $$? = $(NO_SUCH_TEST) ]
	@$(LOWEST) --editable '.[dashboard,geo,notify,plot]'
	@.lowest/bin/python $(PYTEST) $(OLD) tests/unit tests/contract $(NOT_BY_VERSION) $(ARGS) || [ $$? = $(NO_SUCH_TEST) ]

test-forks: $(STAMP) ## Fork at every 20 ms of boto3's loading: 5 minutes each (PYTHONS="python3.12 python3.13")
	@for python in $(or $(PYTHONS),$(BIN)/python); do \
	$(BIN)/uv run --quiet --no-project --python $$python --with-editable 'producer[aws]' python -m tests.fork_sweep || exit 1; done

test-localstack: $(STAMP) ## Run the integration suite on LocalStack's own SQS (needs a Python 3.13)
	@F2B_TEST_SQS=localstack $(BIN)/python $(PYTEST) -m "localstack or localstack_only" $(ARGS)

# The last release with a worker of eventlet's.
.servers/gunicorn-25.3.0: $(STAMP)
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --target $@ gunicorn==25.3.0

# It looks at the dashboard's pages for those who see badly or use no mouse. A test that lacks it says so.
AXE := .browser/axe-4.14.1.js
AXE_SHA512 := 1477dafa598d8d065f273d6af302aa203c02e83131707b7fa648cd41bd3d6b734f8c22a0dab86ee6a6f64b8afbe804b214d36db85a2826965edfb3a0b9d546b5
$(AXE):
	@mkdir -p $(@D)
	@cd $(@D) && npm pack --silent axe-core@4.14.1 >/dev/null
	@cd $(@D) && echo "$(AXE_SHA512)  axe-core-4.14.1.tgz" | sha512sum --check --quiet
	@cd $(@D) && tar -xzf axe-core-4.14.1.tgz --to-stdout package/axe.min.js > $(@F).part && mv $(@F).part $(@F)

test-servers: $(STAMP) .servers/gunicorn-25.3.0 ## Play every event of every server: 25 minutes (ARGS="--server gthread --event stop")
	@$(BIN)/python -m tests.servers $(ARGS)

test-wheels: $(STAMP) ## Try the wheels in empty environments, the producer's on every Python from 3.11 on that is here
	@$(BIN)/python -m localstack.pythons
	@$(BIN)/python $(PYTEST) tests/acceptance/test_wheels.py tests/acceptance/test_producer_wheel.py $(ARGS)

bench: ## Measure everything and print every table: 90 minutes (ARGS=--json: an object each)
	@$(MAKE) --no-print-directory bench-judge bench-producer bench-shim bench-standalone bench-worker bench-end-to-end bench-enforcer
	@$(MAKE) --no-print-directory bench-growth ARGS=

bench-judge: $(STAMP) ## Measure the judge's speed and memory (DATA=FILE for a file of yours)
	@$(BIN)/python -m benchmarks.judge $(ARGS) $(if $(DATA),$(call quoted,$(DATA)))

bench-enforcer: $(STAMP) ## Measure the enforcer on the strict local AWS: 25 minutes (ARGS="--only few --json")
	@$(BIN)/python -m benchmarks.enforcer.cpu
	@$(BIN)/python -m benchmarks.enforcer $(ARGS)

bench-shim: $(STAMP) ## Measure the HTTP shim against a canned queue
	@$(BIN)/python -m benchmarks.shim $(ARGS)

bench-standalone: $(STAMP) ## Measure standalone mode, beside the shim
	@$(BIN)/python -m benchmarks.shim.standalone $(ARGS)

bench-producer: $(STAMP) ## Measure what the producer costs an application (ARGS="--runs 1 --only report")
	@$(BIN)/python -m benchmarks.producer $(ARGS)

bench-worker: $(STAMP) ## Measure the worker on a canned AWS, beside a naive one: 10 minutes (ARGS="--runs 1 --attack zipf")
	@$(BIN)/python -m benchmarks.worker $(ARGS)

bench-units: $(STAMP) ## Count DynamoDB's units of new bans and extensions on a simulated clock: 10 minutes (ARGS="--runs 1")
	@$(BIN)/python -m benchmarks.units $(ARGS)

bench-stops: $(STAMP) ## Measure how long a worker takes to stop, idle and busy: 20 minutes (ARGS="--runs 1 --only idle")
	@$(BIN)/python -m benchmarks.stops $(ARGS)

bench-end-to-end: $(STAMP) ## Measure from report() to the IP set: up to 12 minutes (ARGS="--only canned --linger 1")
	@$(BIN)/python -m benchmarks.end_to_end $(ARGS)

bench-growth: $(STAMP) ## Measure the worker by addresses, processes and pack size: 30 minutes; write tables and picture
	@$(BIN)/python -m benchmarks.worker.growth $(ARGS)
	@$(BIN)/python -m benchmarks.worker.plots --show

bench-commands: $(STAMP) ## Measure how long f2b takes where 100,000 addresses are banned: 10 minutes (ARGS="--bans 1000 --runs 1")
	@$(BIN)/python -m benchmarks.commands $(ARGS)

bench-dashboard: $(STAMP) ## Measure the dashboard where 50,000 addresses are banned: 5 minutes (ARGS="--bans 1000 --runs 1")
	@$(BIN)/python -m benchmarks.dashboard $(ARGS)

bench-doors: $(STAMP) ## Measure report to set while 1,100 connections attack each port: 5 minutes (ARGS="--door shim")
	@$(BIN)/python -m benchmarks.doors $(ARGS)

bench-rolling: $(STAMP) ## Restart shims one by one behind each proxy, under load: 5 minutes (ARGS="--rounds 1 --drain-s 2")
	@$(BIN)/python -m benchmarks.rolling $(ARGS)

bench-tournament: $(STAMP) ## Play attackers with many addresses against everybody else: 10 minutes; write the table
	@$(BIN)/python -m benchmarks.tournament --write

bench-plots: $(STAMP) ## Write tables and picture of the docs from what bench-growth measured
	@$(BIN)/python -m benchmarks.worker.plots

lint: $(STAMP) ## Check style, types and layers
	@$(BIN)/ruff check
	@$(BIN)/ruff format --check
	@$(BIN)/mypy
	@$(BIN)/lint-imports

$(TOOLS_STAMP): deploy/tools.lock $(STAMP)
	@test -x .tools/bin/python || $(BIN)/python -m venv --without-pip .tools
	@$(BIN)/uv pip install --quiet --require-hashes --python .tools/bin/python --requirements deploy/tools.lock
	@touch $(TOOLS_STAMP)

lint-deploy: $(TOOLS_STAMP) ## Check what is in deploy/ against schemas and known mistakes (kubectl, terraform)
	@deploy/lint.sh

format: $(STAMP) ## Format, and fix what can be fixed
	@$(BIN)/ruff check --fix
	@$(BIN)/ruff format

docs: $(STAMP) ## Write the generated pages again (settings, commands, metrics, log, errors …), and build the site
	@$(BIN)/python -m f2b_worker.wire > docs/wire.schema.json
	@$(BIN)/python -m f2b_worker.cli.schemas > docs/commands.schema.json
	@$(BIN)/python -m f2b_worker.cli.command_page > docs/commands.md
	@$(BIN)/python -m f2b_worker.cli.reference > docs/settings.md
	@$(BIN)/python -m f2b_worker.cli.metrics_page > docs/metrics.md
	@$(BIN)/python -m f2b_worker.cli.log_page > docs/log-events.md
	@$(BIN)/python -m f2b_worker.cli.errors_page > docs/errors.md
	@$(BIN)/python -m docs._site.report_page > docs/report.md
	@$(BIN)/python -m deploy.monitoring
	@$(BIN)/python -m tests.servers.promises
	@$(MAKE) --no-print-directory site

# Anew each time: Sphinx leaves the menu of pages as it was that have not changed themselves.
site: $(STAMP) ## Build the site of docs/ into docs/_build/html; a warning is an error
	@rm -rf docs/_build
	@$(BIN)/python -m sphinx --builder html --conf-dir docs --nitpicky --fail-on-warning --keep-going --quiet \
	--doctree-dir docs/_build/doctrees . docs/_build/html
	@touch docs/_build/built

iam: $(STAMP) ## Write docs/iam again, from the calls that each role makes, and what has them in deploy/: 1 minute
	@F2B_TEST_MAKES_POLICIES=1 $(BIN)/python -m pytest -q tests/integration/test_permissions.py -k all_that_it_needs
	@$(BIN)/python -m tests.deploy.policy_blocks
	@$(BIN)/python -m tests.deploy.module_page

pictures: $(STAMP) $(AXE) ## Take the pictures of the dashboard again, for docs/pictures: 2 minutes
	@F2B_TEST_MAKES_PICTURES=1 $(BIN)/python -m pytest -q tests/browser/test_walk.py

wheels: $(STAMP) ## Build both distributions into dist/
	@rm -f dist/f2b_*.whl
	@$(BIN)/uv build --quiet --all-packages --wheel --out-dir dist

$(RELEASE_STAMP): deploy/release-tools.lock $(STAMP)
	@test -x .release-tools/bin/python || $(BIN)/python -m venv --without-pip .release-tools
	@$(BIN)/uv pip install --quiet --require-hashes --python .release-tools/bin/python --requirements deploy/release-tools.lock
	@touch $(RELEASE_STAMP)

release: $(RELEASE_STAMP) ## Make all that a release has, into dist/: a rehearsal anywhere but in its workflow
	@deploy/release.sh

lock: $(STAMP) ## Resolve the dependencies again
	@$(BIN)/uv lock --quiet --upgrade
	@$(BIN)/uv export --quiet --all-packages --all-extras --all-groups --no-emit-workspace -o requirements.lock
	@$(BIN)/uv export --quiet --package f2b-worker --extra geo --extra shim --no-default-groups \
	--no-emit-workspace --no-annotate -o deploy/requirements.txt
	@echo uv==$(UV_VERSION) | $(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate - -o deploy/uv.txt
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-header deploy/tools.txt -o deploy/tools.lock
	@$(BIN)/uv pip compile --quiet --upgrade --universal --python-version 3.11 --generate-hashes --no-annotate \
	--no-header deploy/release-tools.txt -o deploy/release-tools.lock

clean: ## Remove everything that was made here
	@rm -rf .venv .tools .release-tools .emu .lowest .servers .browser build dist docs/_build .coverage .coverage.* .mypy_cache .pytest_cache .ruff_cache .hypothesis
