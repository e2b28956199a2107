# Throughline. `make` prints the targets. Everything installs what it needs into this folder.
SHELL := /bin/bash
.DEFAULT_GOAL := help
export PATH := $(CURDIR)/node_modules/.bin:$(PATH)

node := node_modules/.bin/node
console := services/console/dist/index.html
console_sources := $(shell find services/console -path services/console/dist -prune -o -type f -print 2>/dev/null) $(wildcard schemas/*.ts)

.PHONY: help install run test test-all test-browser check bench size clean

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

install: node_modules/.installed ## the pinned runtime and libraries, into node_modules

# `npm ci` refuses a lock file that was made where packages of other systems are not served; versions are exact anyway.
node_modules/.installed: package.json package-lock.json
	@command -v npm >/dev/null || { echo "npm is missing. On Debian: apt-get install npm"; exit 1; }
	@echo "Installing the pinned runtime and libraries (about a minute the first time) ..."
	@npm install --no-progress --loglevel=error
	@touch $@

$(console): node_modules/.installed $(console_sources)
	@echo "Building the console ..."
	@$(node) node_modules/vite/bin/vite.js build services/console --logLevel warn
	@touch $@

run: node_modules/.installed $(console) ## everything on this machine, with a demo that plays itself; ARGS=--once ends after it
	@$(node) test/demo/run.ts $(ARGS)

test: test-tools node_modules/.installed $(console) ## every test except the browser's, and two minutes of random proof; ARGS="--without kafka" leaves out what needs a real broker
	@$(node) test/run.ts $(ARGS)
	@$(MAKE) --no-print-directory proof ARGS="--seconds=$(or $(PROOF_SECONDS),120) --sql=1000000 $(if $(PROOF_SEED),--seed=$(PROOF_SEED))"

proof: node_modules/.installed ## engine, oracle and SQL on random input; ARGS="--cases=N --sql=N --seconds=N --seed=N"
	@$(node) test/correlator/proof.ts $(ARGS)

.PHONY: proof

.PHONY: test-tools
test-tools:
	@command -v psql >/dev/null || { echo "psql is missing. On Debian: apt-get install postgresql-client"; exit 1; }
	@command -v openssl >/dev/null || { echo "openssl is missing. On Debian: apt-get install openssl"; exit 1; }
	@python3 -c 'import moto' 2>/dev/null || python3 -m pip --version >/dev/null 2>&1 || { \
	  echo "python3 or its pip is missing: the tests run an S3-compatible server. On Debian: apt-get install python3-pip"; exit 1; }
	@$(if $(findstring --without kafka,$(ARGS)),true,command -v java >/dev/null && command -v mvn >/dev/null) || { \
	  echo "java or mvn is missing: the tests run a real Kafka. On Debian: apt-get install openjdk-17-jre-headless maven"; exit 1; }

test-browser: node_modules/.installed $(console) ## the console in Debian's Chromium
	@command -v chromium >/dev/null || { echo "Chromium is missing. On Debian: apt-get install chromium"; exit 1; }
	@$(node) --test --test-concurrency=1 'test/**/*.browser.ts'

test-all: ## everything that is promised: test, check, browser, broken promises, the play, simulation, chaos
	@command -v chromium >/dev/null || { echo "Chromium is missing. On Debian: apt-get install chromium"; exit 1; }
	@command -v psql >/dev/null || { echo "psql is missing. On Debian: apt-get install postgresql-client"; exit 1; }
	@$(MAKE) --no-print-directory check test test-browser prove
	@$(MAKE) --no-print-directory proof ARGS="--cases=1000000 --sql=10000"
	@$(MAKE) --no-print-directory run ARGS=--once
	@$(MAKE) --no-print-directory simulate ARGS="--seconds=120"
	@$(MAKE) --no-print-directory chaos
	@$(MAKE) --no-print-directory corpus ARGS="--quick"

.PHONY: pages
pages: node_modules/.installed ## what is made from the schemas: the fields of rules, the schema for editors, the rule library's page
	@$(node) test/rules/pages.ts
	@$(node) test/library/page.ts > schemas/LIBRARY.md

check: node_modules/.installed ## types, style, layers, circles, dead code, sizes
	@$(node) node_modules/typescript/bin/tsc
	@$(node) node_modules/@biomejs/biome/bin/biome check --error-on-warnings .
	@$(node) node_modules/dependency-cruiser/bin/dependency-cruise.mjs --config .dependency-cruiser.cjs schemas infra services test
	@$(node) node_modules/knip/bin/knip.js --no-progress
	@$(node) --test test/house/gates.ts
	@echo "check: green"

prove: node_modules/.installed ## breaks the code that keeps each promise, and demands that its tests fail
	@$(node) test/house/prove.ts

simulate: node_modules/.installed ## many machines in virtual time, by seed; ARGS="--seed=N --runs=N --seconds=N"
	@$(node) test/simulation/main.ts $(ARGS)

.PHONY: simulate

chaos: test-tools node_modules/.installed $(console) ## machines killed, stopped, cut and filled while chains run; ARGS="--seconds=N --chains=N --seed=N --naive"
	@$(node) test/chaos/run.ts $(ARGS)

corpus: node_modules/.installed ## labelled chains in ten million commands: recall by kind of link, false holds; ARGS="--quick --seed=N --chains=N --library --out=FILE"
	@$(node) test/corpus/main.ts $(ARGS)

.PHONY: corpus

bench: node_modules/.installed ## speed as ratios from interleaved slices; ONLY=P2,P6 runs some; writes bench/latest.json
	@$(node) test/bench/main.ts $(if $(ONLY),--only=$(ONLY))

size: node_modules/.installed ## bytes per command, memory per step, chain and session; writes bench/size.json; needs Java for the last
	@$(node) test/bench/sizing.ts $(ARGS)

clean: ## what the builds made (not data)
	@rm -rf services/console/dist bench
