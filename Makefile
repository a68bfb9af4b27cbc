# The main commands are `make demo` and `make test`. `make help` lists all commands.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv/bin/python
export PYTHONPATH := .:operator:tests
export PYTHONDONTWRITEBYTECODE := 1

.PHONY: help
help: ## Show this list
	@sed -nE 's/^([a-z-]+):.*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 24

.PHONY: demo
demo: python ## Start a cluster, train and serve the mortgage model, roll out new versions
	@$(VENV) -m hack.demo

.PHONY: test
test: python ## Run lint, and all tests on a cluster of their own
	@$(VENV) -m hack.check

.PHONY: cluster
cluster: ## Start Kubernetes: kind where Docker answers, otherwise an embedded node
	@$(PYTHON) -m hack.cluster up

.PHONY: cluster-down
cluster-down: ## Remove the cluster and all of its state
	@$(PYTHON) -m hack.cluster down

.PHONY: images
images: ## Build the images that have changed
	@$(PYTHON) -m hack.cluster images

.PHONY: deploy
deploy: ## Start a cluster, and install the chart and an S3 server, without the example
	@$(PYTHON) -m hack.deploy

.PHONY: kueue
kueue: ## Install Kueue in the demo's cluster, to try queues out
	@$(PYTHON) -m hack.kueue

.PHONY: metrics-server
metrics-server: ## Install the metrics-server in the demo's cluster, to try autoscaling out
	@$(PYTHON) -m hack.metrics_server

.PHONY: gateway-api
gateway-api: ## Install the Gateway API's CRDs in the demo's cluster
	@$(PYTHON) -m hack.gateway_api

.PHONY: unit
unit: python ## Run the unit tests, without a cluster (ARGS=... for pytest)
	@$(VENV) -m hack.check unit $(ARGS)

.PHONY: fmt
fmt: python ## Format the code, and apply the fixes of ruff
	@$(VENV) -m ruff check --fix-only --quiet operator tests hack examples
	@$(VENV) -m ruff format operator tests hack examples

.PHONY: lint
lint: python ## Check style, spelling, types, layers, generated files and the chart
	@$(VENV) -m hack.check lint

.PHONY: crds
crds: python ## Generate the CRDs from the models
	@$(VENV) -m modelops.api.crds crds
	@cp crds/*.yaml helm/modelops/files/crds/

.PHONY: bench
bench: python ## Run the benchmarks, and write build/bench.json (ONLY=name runs one of them)
	@$(VENV) -m bench $(ONLY)

.PHONY: lock
lock: python ## Lock the requirements again, with hashes
	@$(VENV) -m hack.lock

.PHONY: audit
audit: python ## Look up known vulnerabilities of all locked requirements
	@$(VENV) -m hack.supply_chain audit

.PHONY: sbom
sbom: python ## Write a bill of materials (CycloneDX) of each image into build/sbom
	@$(VENV) -m hack.supply_chain sbom

.PHONY: python
python:
	@$(PYTHON) -m hack.cluster python
