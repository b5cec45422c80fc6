# make help lists the targets. CI (.ci/run) installs missing tools and runs the same targets.

GO   ?= go
TEST ?= $(GO) test -count=1 -timeout 20m
TAGS := failure,exhaustive
# Trades memory for time in compilers and tests.
export GOGC ?= 400

# The race detector skips two dependencies that start no goroutines and only compute: bcrypt's cipher and the
# translated SQLite. With them, the tests take twice as long.
RACE := -race -gcflags=golang.org/x/crypto/blowfish=-race=false -gcflags=github.com/ncruces/go-sqlite3-wasm/v2=-race=false

.PHONY: help run test test-all race exhaustive failure connection generate lint bench playground ci

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "%-12s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

run: ## run the server
	$(GO) run .

test: ## run the tests on SQLite, and on MariaDB if it is installed
	$(GO) test ./...

test-all: race exhaustive failure connection ## run every test

race: ## run the tests with the race detector
	CGO_ENABLED=1 $(TEST) $(RACE) ./...

exhaustive: ## run the exhaustive tests: all combinations, repetitions, browsers, proxies, timing
	$(TEST) -tags exhaustive ./test/... ./policytest ./models

failure: ## run the failure tests: servers, databases and disks that fail under load; run nothing else meanwhile
	$(TEST) -tags failure -run '^TestFailure' ./test/failure
	$(TEST) -tags failure ./test/endurance

connection: ## run the tests with one database connection per server
	FIELDGATE_TEST_CONNECTIONS=1 $(TEST) ./test/e2e ./test/upgrade

generate: ## write the generated code
	$(GO) generate ./...

lint: ## run vet, staticcheck, gofumpt, and checks of scripts and Kubernetes files
	$(GO) vet -tags $(TAGS) ./...
	$(GO) tool staticcheck -tags $(TAGS) ./...
	@bad=$$(git ls-files -z --cached --others --exclude-standard -- '*.go' ':!graph/generated' | xargs -0 ls -d 2>/dev/null | \
		xargs $(GO) tool gofumpt -l); test -z "$$bad" || { echo "run: go tool gofumpt -w" $$bad; exit 1; }
	@for script in $$(git grep -lE --untracked -m1 '^#!.*[/ ](ba)?sh( |$$)'); do echo bash -n $$script; bash -n $$script || exit 1; done
	$(GO) -C test/kubernetes test ./...

bench: ## compare with hand-written handlers and other servers
	$(GO) run ./bench

playground: ## build the playground that the server embeds
	npm --prefix playground run build

ci: ## run all checks, as CI does
	bash .ci/run
