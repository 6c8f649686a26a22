# Baraza: build, test and try out. `make help` lists the targets.

SHELL       := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null || echo unknown)
LDFLAGS := -X main.version=$(VERSION)
TOOL    := go tool -modfile=tools/go.mod

# The race detector makes tests several times slower. `make test` uses it where
# goroutines or shared state make it worth that; `make race` uses it everywhere.
RACE := ^baraza/(clock|crdt|gossip|schema|merge|merge/memdb|internal/kv|internal/netcut|gossip/members|node/(session|session/dialer|store|trust|config))$$
FUZZTIME ?= 30s

.PHONY: help deps build test vet gofmt tier2 race servers test-servers e2e openmrs bench microbench lint fuzz sim mutants replay-check demo clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  %-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

deps: ## install what the tests need beside Go: a MariaDB server and a C compiler
	@.ci/deps

# Without C the program runs on any Linux of its architecture, and the memory of
# the store's cache is Go's, so that the limit in cmd/baraza/run.go holds for it.
build: ## build bin/baraza
	CGO_ENABLED=0 go build -trimpath -ldflags '$(LDFLAGS)' -o bin/baraza ./cmd/baraza

test: deps vet gofmt ## what CI runs: every check and test, in at most 15 minutes on 2 cores
	go test -race -timeout 10m $$(go list ./... | grep -E '$(RACE)')
	go test -race -timeout 10m -short ./node/replica -runs 20
	go test -timeout 10m $$(go list ./... | grep -vE '$(RACE)')

servers: ## put a newer MariaDB and a MySQL into a cache directory, for test-servers
	@.ci/servers

# The packages whose tests talk to a server.
SERVER_PACKAGES := ./schema ./internal/mariadb ./internal/sqlrow ./internal/types ./capture/trigger ./merge/sqldb ./node/doctor ./node/bringup ./cmd/baraza ./internal/demo ./internal/e2e

test-servers: deps servers ## the tests that need a database, on a newer MariaDB, on MySQL and with sites on different ones
	for server in mariadb-new mysql; do echo "== $$server"; BARAZA_SERVER=$$server go test -timeout 40m $(SERVER_PACKAGES); done
	for pair in mariadb,mysql mysql,mariadb mariadb-new,mysql mysql,mariadb-new mariadb,mariadb-new mariadb-new,mariadb; do echo "== $$pair"; BARAZA_SERVER=$$pair go test -timeout 40m ./internal/types; done
	BARAZA_SERVER=mariadb,mysql go test -timeout 40m ./internal/e2e
	BARAZA_SERVER=mysql,mariadb,mariadb-new go test -timeout 40m ./internal/demo

vet:
	go vet ./...

gofmt:
	@bad=$$(gofmt -l $$(git ls-files '*.go' 2>/dev/null || find . -name '*.go')); \
	if [[ -n $$bad ]]; then echo "not formatted, run gofmt -w on:" $$bad; exit 1; fi

tier2: ## whole sites on virtual time, the long scenarios too: 50 sites, long storms (5 minutes)
	go test -timeout 20m -count=1 ./node -tier2 -v

race: deps ## every test with the race detector
	go test -race -timeout 40m ./...

e2e: deps build ## only the tests that run whole sites on real servers
	go test -timeout 20m -count=1 ./internal/demo/... ./internal/e2e/...

openmrs: deps build ## whole OpenMRS databases: joined, cut off, three sites, an older schema (set BARAZA_OPENMRS to the data; 5 minutes)
	go test -timeout 30m -count=1 -v ./internal/e2e -run OpenMRS -openmrs

sim: build ## 10,000 random runs of simulated sites (10 minutes)
	bin/baraza sim check --runs 10000 --sites 2-8

mutants: ## plant bugs in the core, one by one, and see that sim check finds each: writes docs/mutants.md (10 minutes)
	go run ./internal/mutants -out docs/mutants.md

bench: deps build ## whole sites beside what they are compared with: writes docs/benchmarks.md (nothing else should run)
	go run ./internal/bench/cmd -out docs/benchmarks.md $(BENCHFLAGS)

microbench: ## Go's benchmarks; compare two runs with: make microbench > new; benchstat old new
	go test -run '^$$' -bench . -benchmem ./...

replay-check: ## a hundred runs of one scenario give one hash, with 1 and 2 threads, with and without the race detector
	@hashes=$$(mktemp -u); trap 'rm -f "$$hashes"' EXIT; \
	for race in "" -race; do for threads in 1 2; do \
		echo "25 runs, GOMAXPROCS=$$threads $$race"; \
		GOMAXPROCS=$$threads go test $$race -count=1 -timeout 20m -run '^TestSameRun$$' ./sim/scenario -runs 25 -hashes "$$hashes"; \
	done; done; cat "$$hashes"; echo

lint: ## golangci-lint (with gofumpt), go fix, go mod tidy (compiles the tools the first time: minutes)
	$(TOOL) golangci-lint run
	go fix -diff ./...
	go mod tidy -diff

fuzz: ## every fuzz target for FUZZTIME (30s)
	@grep -rlE '^func Fuzz' --include='*_test.go' . | sort | while read -r file; do \
		grep -oE '^func Fuzz[A-Za-z0-9_]*' "$$file" | sed 's/^func //' | while read -r target; do \
			echo "$$target in $$(dirname "$$file")"; \
			go test -run '^$$' -fuzz "^$$target\$$" -fuzztime $(FUZZTIME) "$$(dirname "$$file")"; \
		done; \
	done

demo: deps build ## three sites on this machine: a cut, a conflict and how it ends
	bin/baraza demo

clean: ## remove what the targets made
	rm -rf bin
	go clean -testcache
