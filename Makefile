# Everything runs from .venv, which is made when first needed and again when a lock file changes.

.DEFAULT_GOAL := help
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed
# Tests wait more than they work. Each process has servers of its own; servers that are named serve only one.
PROCESSES ?= $(if $(COMPORTA_TEST_BROKER_URL)$(COMPORTA_TEST_DATABASE_URL),0,3)
# The tests start programs hundreds of times: none compiles again what another one has compiled.
unexport PYTHONDONTWRITEBYTECODE
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-annotate --no-header

PLATFORMS := $(or $(COMPORTA_TEST_PLATFORMS),$(or $(XDG_CACHE_HOME),$(HOME)/.cache)/comporta/platforms)

.PHONY: help demo test test-platforms test-cluster test-image quick check services bench pictures lock sbom audit clean

help: ## print this
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-9s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: $(INSTALLED) ## everything in one process, with a simulated ERP and shop (SECONDS=60 PORT=8080)
	$(BIN)/comporta demo $(if $(SECONDS),--seconds $(SECONDS)) $(if $(PORT),--port $(PORT))

test: $(INSTALLED) services ## every test, on a private RabbitMQ and PostgreSQL (ARGS="-k fence")
	$(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder $(ARGS)

# The newest servers get all that speaks to one; the release between them and Debian's own, what each of them does.
test-platforms: $(INSTALLED) services ## what speaks to servers, on RabbitMQ 4.3 + PostgreSQL 18 and on 4.0 + 17
	@tests/support/services/platforms.sh trixie forky
	COMPORTA_TEST_PLATFORM=$(PLATFORMS)/forky $(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile \
		--no-loadscope-reorder -m services $(ARGS) tests/broker tests/storage tests/faults tests/e2e
	COMPORTA_TEST_PLATFORM=$(PLATFORMS)/trixie $(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile \
		--no-loadscope-reorder -m services $(ARGS) tests/broker tests/storage/test_store.py tests/faults/test_fence.py
	$(BIN)/python -m pytest tests/upgrade
	@$(MAKE) --no-print-directory test-cluster test-image

test-cluster: $(INSTALLED) services ## failover on seven hosts: network namespaces, RabbitMQ 4.3, PostgreSQL 18 (as root)
	@tests/support/services/platforms.sh trixie forky
	COMPORTA_TEST_PLATFORM=$(PLATFORMS)/forky $(BIN)/python -m pytest $(ARGS) tests/cluster

test-image: $(INSTALLED) ## the image of the Dockerfile, built and run without a registry of images (as root on Debian)
	$(BIN)/python -m pytest tests/image

quick: $(INSTALLED) ## the tests that need neither a server nor a browser, for in between (ARGS="-k fence")
	$(BIN)/python -m pytest -n 2 --dist worksteal -m "not services and not slow" $(ARGS) \
		tests/unit tests/web tests/storage tests/broker tests/contract

check: $(INSTALLED) ## lint, format, types and the direction of imports
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

services: ## install RabbitMQ, PostgreSQL and the like where they are missing (Debian and Ubuntu, as root)
	@tests/support/services/install.sh

bench: $(INSTALLED) services ## the side-by-side measurements (ARGS="--growth", ARGS="--flame FILE", ARGS=--help)
	@bench/install.sh
	$(BIN)/python -m bench $(ARGS)

pictures: $(INSTALLED) services ## make the screenshots in docs/images anew
	$(BIN)/python -m pytest -q tests/browser/test_pictures.py
	for name in on on.pt-BR off off.pt-BR partly dialog dialog.pt-BR phone repairs; do cp build/screenshots/$$name.png docs/images/; done

lock: $(INSTALLED) ## choose the newest allowed versions and write them to requirements/ (ARGS="--upgrade")
	$(COMPILE) $(ARGS) requirements/build.in -o requirements/build.txt
	$(COMPILE) $(ARGS) pyproject.toml --extra demo --extra dev --extra bench -o requirements/all.txt
	$(COMPILE) pyproject.toml --extra demo -c requirements/all.txt -o requirements/runtime.txt

sbom: $(INSTALLED) ## bill of materials (CycloneDX) and licences of what a release installs, in build/sbom
	@rm -rf build/sbom && mkdir -p build/sbom && $(PYTHON) -m venv --without-pip build/sbom/.venv
	@$(BIN)/uv pip install --quiet --python build/sbom/.venv/bin/python --require-hashes -r requirements/runtime.txt
	@$(BIN)/cyclonedx-py environment --pyproject pyproject.toml --mc-type application --output-reproducible \
		--output-file build/sbom/comporta.cdx.json build/sbom/.venv/bin/python
	@$(BIN)/pip-licenses --python build/sbom/.venv/bin/python --format markdown --with-urls \
		--output-file build/sbom/licenses.md >/dev/null
	@rm -rf build/sbom/.venv; ls build/sbom/*

audit: $(INSTALLED) ## known vulnerabilities of what a release installs (asks PyPI; fails where it can't be asked)
	$(BIN)/pip-audit --strict --disable-pip --require-hashes --requirement requirements/runtime.txt

clean: ## remove .venv, caches and builds
	rm -rf tests/contract/node_modules examples/node/node_modules .venv .mypy_cache .pytest_cache .ruff_cache .import_linter_cache .hypothesis build dist *.egg-info
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# Whatever is installed was named in a lock file with its hash: no build fetches anything on its own.
$(INSTALLED): requirements/build.txt requirements/all.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "comporta needs Python 3.11 or newer; name one: make PYTHON=python3.12 …" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || .ci/debian-install python3-venv
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements/build.txt
	$(BIN)/uv pip sync --quiet --require-hashes requirements/build.txt requirements/all.txt
	$(BIN)/uv pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@
