# exfil: an OpenTelemetry Collector component that notices data exfiltration.
# `make` alone says what there is. All that is built goes to .build/, dist/ and _demo/.

SHELL       := /bin/bash
.SHELLFLAGS := -o pipefail -ec
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

GO        ?= go
# How long each fuzz target runs in `make fuzz`, how often `make bench` measures, and what `make microbench` runs.
FUZZTIME  ?= 10m
RUNS      ?= 6
BENCH     ?= .
BENCHTIME ?= 1s
# Least share of hand-written statements that tests must cover, in per cent.
COVERAGE  ?= 85
# Packages to test, lint and measure.
PKGS      ?= ./...
# Those in which nothing happens at the same time, and in what they use of ours neither. The race detector finds nothing there, and takes
# ten times as long over weeks of traffic. `make test` refuses the statement that would begin a goroutine in them.
SERIAL    := $(addprefix internal/,baseline decode detector flow stream word) \
	$(addprefix bench/,encode load peers peers/tune score traffic)
MODULE    := github.com/otel-exfil/exfil

BUILD     := .build
TOOLS     := $(BUILD)/bin
BUILDER   := $(TOOLS)/builder
MINIMAL   := $(BUILD)/collector/otelcol-exfil-minimal
FULL      := dist/otelcol-exfil
GOFLOW2   := $(BUILD)/goflow2
STORED    := $(BUILD)/stored
# golangci-lint brings some 200 modules and takes minutes to compile the first time, so
# it is no tool of tools/go.mod. `make lint` uses it where `make tools` put it.
GOLANGCI_VERSION := v2.15.0
GOLANGCI_MODULE  := github.com/golangci/golangci-lint/v2/cmd/golangci-lint
GOLANGCI  := $(TOOLS)/golangci-lint-$(GOLANGCI_VERSION)

# What the component in a collector is made of: a collector is rebuilt when one of these
# is newer, and only then.
SOURCES := go.mod go.sum $(shell find internal exfilprocessor exfilconnector -type f \
	\( -name '*.go' ! -name '*_test.go' -o -name '*.yaml' \) ! -path '*/testdata/*' 2>/dev/null)

##@ Try it

.PHONY: help
help: ## say what there is to make
	@awk 'BEGIN {FS = ":.*## "} /^##@/ {printf "\n%s\n", substr($$0, 5)} \
		/^[a-z-]+:.*## / {printf "  make %-20s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

.PHONY: demo
demo: $(MINIMAL) ## four weeks of an office's flows with two thefts, and what the collector notices
	@$(GO) run ./examples/demo -collector $(MINIMAL)

##@ Build

.PHONY: build
build: $(FULL) ## a collector with everything of builder-config.yaml, in dist/

.PHONY: collector-minimal
collector-minimal: $(MINIMAL) ## the small collector of the demo, the tests and make bench-collector, in .build/

# The builder makes its output directory, but not that directory's parent.
$(MINIMAL): testdata/builder-minimal.yaml $(SOURCES) | $(BUILDER)
	@mkdir -p $(BUILD)
	@echo "Building a small collector (minutes the first time, seconds later)"
	$(BUILDER) --config $<

$(FULL): builder-config.yaml $(SOURCES) | $(BUILDER)
	@echo "Building the collector (several minutes the first time)"
	$(BUILDER) --config $<

$(BUILDER): tools/go.mod tools/go.sum
	@mkdir -p $(TOOLS)
	$(GO) -C tools build -o ../$(TOOLS)/ tool
	@touch $(TOOLS)/*

.PHONY: tools
tools: $(BUILDER) $(GOLANGCI) ## builder, mdatagen, staticcheck and golangci-lint, in .build/bin/

$(GOLANGCI):
	@mkdir -p $(TOOLS)/install
	GOBIN=$(CURDIR)/$(TOOLS)/install $(GO) install $(GOLANGCI_MODULE)@$(GOLANGCI_VERSION)
	@mv $(TOOLS)/install/golangci-lint $@

##@ Check

# The runner's own lines come last: one for each package, after what they depend on.
# The end-to-end test runs by itself and without -race: what it tests is another process,
# a collector that is built before, and the race detector would make it five times slower. Then all tests run, which tells what
# they cover, and once more with -race those that begin goroutines.
.PHONY: test
test: $(MINIMAL) $(STORED) validate-examples ## all tests, without -race and with, the end-to-end test, examples, coverage
	@mkdir -p $(BUILD)
	@EXFIL_COLLECTOR=$(CURDIR)/$(MINIMAL) $(GO) test -count 1 -run RealCollector ./examples/demo \
		2>&1 | tee $(BUILD)/test.txt
	@! grep 'no tests to run' $(BUILD)/test.txt
	@# A Prometheus exporter is in the large collector only, and tested where that was built.
	@EXFIL_COLLECTOR=$(CURDIR)/$(MINIMAL) EXFIL_COLLECTOR_FULL=$(addprefix $(CURDIR)/,$(wildcard $(FULL))) \
		EXFIL_STORED=$(CURDIR)/$(STORED) $(GO) test -count 1 ./internal/e2e 2>&1 | tee -a $(BUILD)/test.txt
	@EXFIL_COLLECTOR=$(CURDIR)/$(MINIMAL) $(GO) test -count 1 ./bench/collector 2>&1 | tee -a $(BUILD)/test.txt
	@$(MAKE) senders-test 2>&1 | tee -a $(BUILD)/test.txt
	@$(GO) -C bench/speed vet ./...
	@$(GO) -C bench/speed test -count 1 -bench 'Logs|Metrics|Configured|Senders' -benchtime 1x ./... 2>&1 | tee -a $(BUILD)/test.txt
	@$(GO) test -count 1 -timeout 20m -coverprofile=$(BUILD)/coverage.txt $(PKGS) 2>&1 | tee -a $(BUILD)/test.txt
	@! grep -nE '^[[:space:]]*(defer )?go [[:alpha:]]|\.Go\(' $(addsuffix /*.go,$(SERIAL))
	@$(GO) list $(PKGS) | { grep -vxF "$$(printf '%s\n' $(addprefix $(MODULE)/,$(SERIAL)))" || true; } \
		| xargs -r $(GO) test -race -timeout 20m 2>&1 | tee -a $(BUILD)/test.txt
	@$(MAKE) coverage-floor
	@grep -E '^(ok|FAIL|---)' $(BUILD)/test.txt

.PHONY: senders-test
senders-test: $(MINIMAL) $(GOFLOW2) ## exfil behind goflow2 and the OpenTelemetry SDK
	@$(GO) -C examples/senders vet ./...
	@EXFIL_COLLECTOR=$(CURDIR)/$(MINIMAL) GOFLOW2=$(CURDIR)/$(GOFLOW2) $(GO) -C examples/senders test -count 1 ./...

# Reads what a collector has stored, for the tests that kill one.
$(STORED): $(wildcard internal/e2e/stored/*.go) internal/e2e/stored/go.mod internal/e2e/stored/go.sum
	@mkdir -p $(BUILD)
	$(GO) -C internal/e2e/stored vet .
	$(GO) -C internal/e2e/stored test .
	$(GO) -C internal/e2e/stored build -o $(CURDIR)/$(STORED) .
	@touch $(STORED)

$(GOFLOW2): examples/senders/go.mod examples/senders/go.sum
	@mkdir -p $(BUILD)
	$(GO) -C examples/senders build -o $(CURDIR)/$(GOFLOW2) github.com/netsampler/goflow2/v2/cmd/goflow2
	@touch $(GOFLOW2)

.PHONY: cover
cover: ## how much of the hand-written code the tests cover, by package
	@mkdir -p $(BUILD)
	@$(GO) test -covermode=atomic -coverprofile=$(BUILD)/coverage.txt $(PKGS) > $(BUILD)/test.txt \
		|| { cat $(BUILD)/test.txt; exit 1; }
	@$(MAKE) coverage-floor

.PHONY: coverage-floor
coverage-floor:
	@.ci/coverage $(BUILD)/coverage.txt $(COVERAGE)

.PHONY: validate-examples
validate-examples: $(MINIMAL) ## every examples/*.yaml is accepted by a collector
	@.ci/validate-examples $(MINIMAL) $(wildcard $(FULL))

.PHONY: lint
lint: $(BUILDER) ## gofmt, vet, staticcheck, and golangci-lint where `make tools` put it
	@out=$$(gofmt -l $$(git ls-files --cached --others --exclude-standard '*.go')); \
		if [ -n "$$out" ]; then echo "not gofmt'd; run make fmt:"; echo "$$out"; exit 1; fi
	$(GO) vet $(PKGS)
	$(TOOLS)/staticcheck $(PKGS)
	@if [ -x $(GOLANGCI) ]; then echo $(GOLANGCI) run $(PKGS); $(GOLANGCI) run $(PKGS); \
		else echo "golangci-lint is not there and was not run; make tools installs it"; fi

.PHONY: fmt
fmt: ## format the Go code
	@gofmt -w $$(git ls-files --cached --others --exclude-standard '*.go')

.PHONY: generate
generate: $(BUILDER) ## everything that is generated: from metadata, and the schemas for editors
	$(GO) generate $(PKGS)

.PHONY: bench
bench: ## what exfil costs beside other processors, in bench/SPEED.md; RUNS=<runs>
	@mkdir -p $(BUILD)
	@: > $(BUILD)/speed.txt
	@for run in $$(seq $(RUNS)); do echo "run $$run of $(RUNS)"; \
		$(GO) -C bench/speed test -run '^$$' -bench . . >> $(BUILD)/speed.txt || { tail -n 20 $(BUILD)/speed.txt; exit 1; }; done
	@$(GO) -C bench/speed run ./report < $(BUILD)/speed.txt > $(BUILD)/SPEED.md
	@mv $(BUILD)/SPEED.md bench/SPEED.md

.PHONY: bench-collector
bench-collector: $(MINIMAL) ## what exfil costs a whole collector, in bench/COLLECTOR.md; COLLECTOR=<flags>
	$(GO) run ./bench/collector -collector $(MINIMAL) -out bench/COLLECTOR.md $(COLLECTOR)

.PHONY: microbench
microbench: ## the benchmarks of single packages; BENCH=<pattern> BENCHTIME=<time> PKGS=<packages>
	$(GO) test -run '^$$' -bench '$(BENCH)' -benchmem -benchtime $(BENCHTIME) $(PKGS)

.PHONY: quality
quality: ## detection compared with other methods, in bench/RESULTS.md; BACKGROUND=<csv> plays a real series
	$(GO) run ./bench/quality -out bench $(if $(BACKGROUND),-background '$(BACKGROUND)')

.PHONY: soak
soak: ## a year of a large organisation's traffic, and whether memory stays flat; SOAK=<flags>
	$(GO) run ./bench/soak $(SOAK)

.PHONY: fuzz
fuzz: ## every fuzz target for FUZZTIME (10m) each
	@.ci/fuzz $(FUZZTIME) $(PKGS)

##@ Clean up

.PHONY: clean
clean: ## remove all that was built, tools included
	rm -rf $(BUILD) dist _demo
