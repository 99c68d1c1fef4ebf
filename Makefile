# The verbs of this repository. A person and CI use the same ones.
SHELL := /bin/sh
.SHELLFLAGS := -eu -c
.DEFAULT_GOAL := help

PYTHON ?= python3
VENV := .venv
RUN := $(VENV)/bin/python
MANAGE := $(RUN) manage.py
LOCAL := $(VENV)/.installed-local
DEV := $(VENV)/.installed-dev
DOCS := $(VENV)/.installed-docs

OLDEST := 3.11
NEWEST := 3.14

.PHONY: help install up down reset status logs demo test test-long test-slow-path chaos check docs names format bench-startup bench-orders bench-bus bench-registry bench-reads bench-gateway new-service
.PHONY: ground test-fresh test-matrix test-standalone differential attack-gateway

help: ## this list
	@grep -E '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'
	@echo "  ./manage.py         all verbs and projects"

# Whether Atoll can live in this clone and on this machine, asked before anything is written.
IN_RANGE = import sys; low, high = [tuple(map(int, v.split("."))) for v in sys.argv[1:]]; \
  sys.exit(not low <= sys.version_info[:2] <= high)
ground:
	@test -x $(RUN) || command -v $(PYTHON) >/dev/null || { \
	  echo "There is no $(PYTHON) here. Install Python $(OLDEST) to $(NEWEST) (Debian: apt install python3 python3-venv; macOS: brew install python)."; exit 1; }
	@test -x $(RUN) || $(PYTHON) -c '$(IN_RANGE)' $(OLDEST) $(NEWEST) || { \
	  echo "$(PYTHON) is $$($(PYTHON) --version 2>&1). Atoll needs Python $(OLDEST) to $(NEWEST); name one: make PYTHON=python$(NEWEST) $(MAKECMDGOALS)"; exit 1; }
	@python=$(RUN); test -x $$python || python=$(PYTHON); $$python -I platform/atoll/dev/place.py $(MAKECMDGOALS)

$(VENV)/bin/python: | ground
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
	  echo "This Python cannot make virtual environments. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	@echo "Making the virtual environment in $(VENV) ..."
	@rm -f $(VENV)/.installed-*
	@$(PYTHON) -m venv $(VENV) || { \
	  echo "The virtual environment could not be made; what Python says stands above. Then: rm -rf $(VENV), and again."; exit 1; }

# Installing takes a while, so it happens again only when a requirements file changes.
INSTALL = $(RUN) -m pip install -qq --disable-pip-version-check -r $(1) || { \
	  echo "The packages of $(1) could not be installed; what pip says stands above. After that is mended: make $(MAKECMDGOALS)"; \
	  echo "Where $(VENV) itself is broken or half made: rm -rf $(VENV)"; exit 1; }

$(LOCAL): requirements/base.txt requirements/local.txt platform/pyproject.toml | ground $(VENV)/bin/python
	@echo "Installing the pinned packages that running needs ..."
	@$(call INSTALL,requirements/local.txt)
	@touch $@

$(DEV): requirements/dev.txt $(LOCAL)
	@echo "Installing the pinned packages that checking and testing need ..."
	@$(call INSTALL,requirements/dev.txt)
	@touch $@

$(DOCS): requirements/docs.txt $(DEV)
	@echo "Installing the pinned packages that the pages of docs/ need ..."
	@$(call INSTALL,requirements/docs.txt)
	@touch $@

install: $(DEV) ## virtual environment and every pinned package

up: $(LOCAL) ## start the whole platform here; Ctrl-C stops it; reload=1 follows your changes
	@exec $(MANAGE) up $(if $(reload),--reload)

down: $(LOCAL) ## stop a platform that runs here in another terminal
	@$(MANAGE) down

status: $(LOCAL) ## processes, ports and memory of the platform that runs here
	@$(MANAGE) status

logs: $(LOCAL) ## the logs of all processes in time order, and new lines
	@exec $(MANAGE) logs -f

reset: $(LOCAL) ## delete the data of the embedded engines, after asking
	@$(MANAGE) reset

demo: $(LOCAL) ## sign up, order, and watch the order become confirmed
	@$(MANAGE) demo

test: $(DEV) ## every suite; sets up all it needs
	@$(MANAGE) test

test-long: $(DEV) ## slower combinations of the bus's tests
	@$(MANAGE) test workers -- -m long

test-slow-path: $(DEV) ## the suites that handle messages, with the fast path of the bus turned off
	@BUS_FAST_PATH=false $(MANAGE) test workers bus users orders products payments chaos journeys

test-standalone: $(DEV) ## the wheel alone in a new Django project, by docs/recipes/add-the-bus.md as it is written
	@$(MANAGE) test standalone

test-fresh: | $(VENV)/bin/python ## system=13 user=root part=up: the README in bare Debian systems; needs root
	@$(RUN) -m tests.fresh $(foreach name,system user part suites keep folder offset only,$(if $(filter command,$(origin $(name))),$(name)='$($(name))'))

test-matrix: $(DEV) ## only=NAMES suites="bus": the library's suites with each Python, Django and driver that is here
	@$(RUN) -m tests.matrix $(foreach name,only suites,$(if $($(name)),$(name)='$($(name))'))

chaos: $(DEV) ## minutes=30 seed=N: orders under kill -9, outages and poison, then the checker
	@$(RUN) -m tests.chaos $(if $(minutes),minutes=$(minutes)) $(if $(seed),seed=$(seed)) $(if $(per_s),per_s=$(per_s))

differential: $(DEV) ## the same bytes through our gateway, nginx and HAProxy; writes docs/gateway-differences.md
	@REDIS_URL=redis://127.0.0.1:9/0 PYTHONPATH=.:platform $(RUN) -m tests.differential

attack-gateway: $(DEV) ## minutes=1: clients that want to hold the gateway shut, while a customer is served
	@PYTHONPATH=.:platform $(RUN) -m gateway.tests.attacks $(if $(minutes),--minutes $(minutes)) $(if $(only),--only $(only))

check: $(DEV) ## format, lint, import walls, types, messages, migrations, deployment checks
	@$(VENV)/bin/ruff format --check .
	@$(VENV)/bin/ruff check .
	@PYTHONPATH=.:platform $(VENV)/bin/lint-imports --config .importlinter --no-logo
	@$(MANAGE) check-all

docs: $(DOCS) ## docs/ as pages in .atoll/site, with the reference from the docstrings
	@NO_MKDOCS_2_WARNING=1 $(VENV)/bin/mkdocs build --strict --quiet
	@echo "The pages are in .atoll/site."

names: $(DEV) ## record the public names of the library, as docs/versions.md says
	@$(RUN) -m tests.architecture.public_names

format: $(DEV) ## bring the code into shape
	@$(VENV)/bin/ruff format .
	@$(VENV)/bin/ruff check --fix .

bench-startup: $(DEV) ## seconds to the first page and order, memory at rest
	@$(RUN) -m bench.startup

bench-orders: $(DEV) ## what an order costs, orders confirmed per second; against=REVISION only=rabbitmq traces=off|compare rounds=N quick=1
	@PYTHONPATH=.:platform $(RUN) -m bench.orders $(if $(against),--against $(against)) $(if $(only),--only $(only)) $(if $(traces),--traces $(traces)) $(if $(rounds),--rounds $(rounds)) $(if $(quick),--quick)

bench-reads: $(DEV) ## processor time of a read, beside a plain Django view
	@PYTHONPATH=.:platform $(RUN) -m bench.reads

bench-gateway: $(DEV) ## the gateway beside nginx, HAProxy, Caddy, Express and Django; quick=1 only=NAMES feature=NAME million=1
	@PYTHONPATH=.:platform $(RUN) -m bench.gateway $(if $(quick),--quick) $(if $(only),--only $(only)) $(if $(feature),--feature $(feature)) $(if $(million),--million)

bench-registry: $(DEV) ## the cost of a heartbeat and the effect of a flood; before=COMMIT compares
	@PYTHONPATH=.:platform $(RUN) -m bench.registry $(before)

bench-bus: $(DEV) ## the bus beside its parts alone; needs RabbitMQ and Redis; against=REVISION only=PARTS quick=1
	@PYTHONPATH=.:platform $(RUN) -m bench.bus $(if $(against),--against $(against)) $(if $(only),--only $(only)) $(if $(quick),--quick)

new-service: $(DEV) ## name=reviews: a service of your own beside ours
	@test -n "$(name)" || { echo "Say its name: make new-service name=reviews"; exit 1; }
	@$(MANAGE) new-service "$(name)"
