# Every target sets up what it needs. `make` lists them.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash
STACK ?= development
PYTHON := .venv/bin/python
LOCALCLOUD := $(PYTHON) -m localcloud
ARGUMENTS ?=
# Where other people's images are pulled from; empty for their own registries.
MIRROR ?= localhost:5005/mirror
# Pods come first on a busy machine: a test waits, and no probe fails.
PYTEST := nice $(PYTHON) -m pytest
# Tests wait more than they compute: one process has the local cloud to itself, another does the rest.
SIDE_BY_SIDE := --numprocesses=2 --dist=loadgroup --no-loadscope-reorder
# Without compiled modules every start of the program takes twice as long.
unexport PYTHONDONTWRITEBYTECODE
# A checkout that was copied, or a machine with another Python: the environment is made anew.
_ := $(shell .venv/bin/python -I -c '' 2>/dev/null || rm -f .venv/.ready)

.PHONY: help
help: ## List the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: up
up: .venv/.ready ## Bring everything up on this machine and print the URL
	@$(LOCALCLOUD) up

.PHONY: down
down: .venv/.ready ## Remove everything that `make up` made, caches excepted
	@$(LOCALCLOUD) down

.PHONY: status
status: .venv/.ready ## Say what runs and what is wrong
	@$(LOCALCLOUD) status

.PHONY: preview
preview: .venv/.ready ## Show what `pulumi up` would change: make preview STACK=development
	@$(LOCALCLOUD) preview --stack $(STACK)

.PHONY: render
render: .venv/.ready ## Write what an update applies as a Kustomize base and overlays: make render STACK=development
	@$(PYTHON) -m operations.delivery $(STACK) render $(ARGUMENTS)

.PHONY: rehearse
rehearse: .venv/.ready ## Run a stack on a simulated Google Cloud, from nothing to its removal: make rehearse STACK=production
	@$(LOCALCLOUD) rehearse --stack $(STACK) $(ARGUMENTS)

.PHONY: audit
audit: .venv/.ready ## Say who changed what in a stack, and when: make audit STACK=development
	@$(LOCALCLOUD) run -- $(PYTHON) -m operations.audit report $(STACK) $(ARGUMENTS)

.PHONY: cost
cost: .venv/.ready ## Say what a stack on Google Cloud costs in a month; no project is needed: make cost STACK=production
	@$(PYTHON) -m operations.cost $(STACK) $(ARGUMENTS)

.PHONY: preflight
preflight: .venv/.ready ## Say what a Google Cloud project lacks for a stack; changes nothing: make preflight STACK=production
	@$(PYTHON) -m operations.preflight $(STACK)

.PHONY: verify-cloud
verify-cloud: .venv/.ready ## Try what needs Google in an empty project of yours, for money, and remove it: make verify-cloud PROJECT=…
	@$(PYTHON) -m operations.verify_cloud --project "$(PROJECT)" $(ARGUMENTS)

.PHONY: url
url: .venv/.ready ## Print the application's URL
	@$(LOCALCLOUD) url

.PHONY: ca
ca: .venv/.ready ## Print the path of the certificate that signs the application's
	@$(LOCALCLOUD) ca

.PHONY: kubeconfig
kubeconfig: .venv/.ready ## Print the path of the local cluster's kubeconfig
	@$(LOCALCLOUD) kubeconfig

.PHONY: env
env: .venv/.ready ## Print the environment for working by hand: eval "$$(make -s env)"
	@$(LOCALCLOUD) env

.PHONY: compose-up
compose-up: .venv/.ready ## Run the platform of compose.yaml on this machine's Docker, without Kubernetes
	@$(LOCALCLOUD) compose-up

.PHONY: compose-down
compose-down: .venv/.ready ## Remove what `make compose-up` made, its data included
	@$(LOCALCLOUD) compose-down

.PHONY: logs-up
logs-up: .venv/.ready ## Have what keeps logs: Loki and the collector; the first time they are built, for long minutes
	@$(LOCALCLOUD) logs-up

.PHONY: traces-up
traces-up: .venv/.ready ## Have what keeps traces, too: Jaeger, beside Loki and the collector; the first time it is built, for long minutes
	@$(LOCALCLOUD) traces-up

.PHONY: vpa-up
vpa-up: .venv/.ready ## Add the vertical autoscaler to the local cluster; the first time it is built, for minutes
	@$(LOCALCLOUD) vpa-up

.PHONY: vpa-down
vpa-down: .venv/.ready ## Remove it again
	@$(LOCALCLOUD) vpa-down

.PHONY: google-up
google-up: .venv/.ready ## Have pods find what stands in for Google: identities, Cloud Storage, GCS FUSE; built for minutes
	@$(LOCALCLOUD) google-up $(ARGUMENTS)

.PHONY: google-down
google-down: .venv/.ready ## Remove it again, with what is in its buckets
	@$(LOCALCLOUD) google-down

.PHONY: test
test: .venv/.ready ## Run every test; the local cloud is set up for them
	@$(LOCALCLOUD) prepare
	@$(LOCALCLOUD) run -- $(PYTEST) $(SIDE_BY_SIDE) $(ARGUMENTS)

.PHONY: drills
drills: .venv/.ready ## Run the tests that take long: lost pods, drained nodes
	@$(LOCALCLOUD) prepare
	@$(LOCALCLOUD) run -- $(PYTEST) -m drill $(ARGUMENTS)

.PHONY: test-unit
test-unit: .venv/.ready ## Run the tests that need neither an engine nor a cluster
	@PATH="$$PATH:/usr/sbin" command -v nginx >/dev/null || \
		echo "nginx isn't installed, so its tests are left out; \`make test\` installs it." >&2
	@$(PYTHON) -m pytest tests/unit tests/policies $(ARGUMENTS)

.PHONY: lint
lint: .venv/.ready ## Check style, types and Dockerfiles
	@.venv/bin/ruff check .
	@.venv/bin/ruff format --check .
	@$(PYTHON) -m mypy .
	@.venv/bin/hadolint $$(git ls-files '*Dockerfile')

.PHONY: format
format: .venv/.ready ## Mend what the linters can mend
	@.venv/bin/ruff check --fix .
	@.venv/bin/ruff format .

.PHONY: bench
bench: .venv/.ready ## Measure `make up` and `pulumi preview`; prints a table
	@$(PYTHON) -m benchmarks $(ARGUMENTS)

.PHONY: dev
dev: .venv/.ready ## Send edited files into the running pods until Ctrl-C: make dev STACK=development
	@$(LOCALCLOUD) run -- $(PYTHON) -m operations.dev --stack $(STACK) $(ARGUMENTS)

.PHONY: check-app
check-app: .venv/.ready ## Say what an image lacks to be run by the platform: make check-app IMAGE=my-app:v2
	@$(LOCALCLOUD) run -- $(PYTHON) -m operations.check_app "$(IMAGE)" --mirror "$(MIRROR)" $(ARGUMENTS)

.PHONY: settings
settings: .venv/.ready ## Write docs/settings.md and the editors' schema of the stack files
	@$(PYTHON) -m operations.settings

.PHONY: scan
scan: .venv/.ready ## Scan the images that a stack runs; the first time its programs are built: make scan STACK=development
	@$(LOCALCLOUD) run -- $(PYTHON) -m operations.scan --stack $(STACK) $(ARGUMENTS)

.PHONY: mutate
mutate: .venv/.ready ## Take each check of the settings out and see that a test notices: ten minutes
	@$(PYTHON) -m tests.mutation $(ARGUMENTS)

.PHONY: rotate
rotate: .venv/.ready ## Write the next generation of passwords into a stack's file: make rotate STACK=staging
	@$(PYTHON) -m operations.rotate $(STACK)

.PHONY: pin-images
pin-images: .venv/.ready ## Record the digests of other people's images, where their registries answer
	@$(PYTHON) -m operations.pin_images

.PHONY: lock
lock: .venv/.ready ## Lock the Python packages by version and hash, our images' too
	@.venv/bin/uv pip compile pyproject.toml --universal --generate-hashes --python-version 3.11 -q -o requirements.txt
	@.venv/bin/uv pip compile pyproject.toml --extra dev --universal --generate-hashes --python-version 3.11 -q \
		-c requirements.txt -o requirements-dev.txt
	@for image in postgres websocket; do .venv/bin/uv pip compile images/$$image/requirements.in --python-platform linux \
		--python-version 3.11 --generate-hashes -q -o images/$$image/requirements.txt; done

# What a failed step of the next rule ends with: what went wrong, and the way out.
give_up = { printf '%s\n%s\n' $(1) "What to do: "$(2) >&2; exit 1; }

# uv first, by the hash that requirements-dev.txt has for it; uv then installs the rest in seconds.
.venv/.ready: requirements-dev.txt
	@! [ -L .venv ] || \
		$(call give_up,".venv is a link; what it leads to would be emptied.","remove the link (\`rm .venv\`); then run the same command again.")
	@python3 -c 'import ensurepip' 2>/dev/null || { echo "Installing python3-venv …" >&2; \
		apt-get -qq -o DPkg::Lock::Timeout=600 update && \
		apt-get -qq -o DPkg::Lock::Timeout=600 install --yes --no-install-recommends python3-venv >/dev/null; } || \
		$(call give_up,"python3-venv is missing and can't be installed.","run \`apt-get install python3-venv\` as root.")
	@echo "Installing Python packages …" >&2
	@python3 -m venv --clear .venv || \
		$(call give_up,"The Python environment .venv can't be made.","mend what is named above; then run the same command again.")
	@awk '/^[^ ]/ { keep = /^uv==/ } keep' requirements-dev.txt > .venv/uv.txt
	@{ .venv/bin/pip install --quiet --disable-pip-version-check --require-hashes -r .venv/uv.txt && \
		.venv/bin/uv pip sync --quiet --require-hashes requirements-dev.txt; } || \
		$(call give_up,"The Python packages can't be installed.","check the network and pip's index\
		(\`python3 -m pip config list\`); then run the same command again.")
	@touch $@
