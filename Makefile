# Two commands matter: `make demo` and `make test`. `make help` lists the rest.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv/bin/python
export PYTHONPATH := .:operator:tests
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help
help: ## Show this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

.PHONY: demo
demo: python ## Set everything up, train the mortgage model, serve it, roll out the next
	@$(VENV) -m hack.demo

.PHONY: test
test: python ## Lint, unit, integration and e2e tests on a cluster of their own
	@$(VENV) -m hack.check

.PHONY: cluster
cluster: ## Start a Kubernetes (kind where Docker answers, an embedded node else)
	@$(PYTHON) -m hack.cluster up

.PHONY: cluster-down
cluster-down: ## End it, and leave nothing of it
	@$(PYTHON) -m hack.cluster down

.PHONY: images
images: ## Build the images that have changed
	@$(PYTHON) -m hack.cluster images

.PHONY: deploy
deploy: ## Cluster, images, an S3 server and the chart, without the example
	@$(PYTHON) -m hack.deploy

.PHONY: kueue
kueue: ## Install Kueue in the demo's cluster, to try queues out
	@$(PYTHON) -m hack.kueue

.PHONY: metrics-server
metrics-server: ## Install a metrics-server in the demo's cluster, to try autoscaling out
	@$(PYTHON) -m hack.metrics_server

.PHONY: gateway-api
gateway-api: ## Install the Gateway API's definitions in the demo's cluster
	@$(PYTHON) -m hack.gateway_api

.PHONY: unit
unit: python ## Unit tests alone, without a cluster (ARGS=... for pytest)
	@$(VENV) -m hack.check unit $(ARGS)

.PHONY: fmt
fmt: python ## Format the code, and mend what ruff can mend
	@$(VENV) -m ruff check --fix-only --quiet operator tests hack examples
	@$(VENV) -m ruff format operator tests hack examples

.PHONY: lint
lint: python ## Style, spelling, types, layers, generated files, the chart
	@$(VENV) -m hack.check lint

.PHONY: crds
crds: python ## Generate the CRDs from the models
	@$(VENV) -m modelops.api.crds crds
	@cp crds/*.yaml helm/modelops/files/crds/

.PHONY: bench
bench: python ## Benchmarks, printed and kept in build/bench.json (ONLY=name runs one)
	@$(VENV) -m bench $(ONLY)

.PHONY: lock
lock: python ## Lock the requirements again, with hashes
	@$(VENV) -m hack.lock

.PHONY: python
python:
	@$(PYTHON) -m hack.cluster python
