# Every habit is one command. None of them needs root.
GO      ?= go
PYTHON  ?= /usr/bin/python3
PKGS    := ./...
BIN     := bin/rcas
# What rcas --version tells; a container has no version control to ask, and says it by VERSION=.
VERSION ?= $(shell git describe --tags --always --dirty 2>/dev/null)

NPM     := npm --prefix grafana
SOURCE  := grafana/dist/rcas-market-datasource

.PHONY: help build plugins demo test lint soak bench model grafana clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: need-go ## build bin/rcas
	@mkdir -p bin
	CGO_ENABLED=1 $(GO) build -trimpath -ldflags "-X main.linkedVersion=$(VERSION)" -o $(BIN) ./cmd/rcas

plugins: need-go grafana/node_modules/.package-lock.json ## build the Grafana plugins into grafana/dist
	$(NPM) run build
	CGO_ENABLED=0 $(GO) build -trimpath -o $(SOURCE)/gpx_rcas_$$($(GO) env GOOS)_$$($(GO) env GOARCH) ./grafana/datasource/gpx

grafana/node_modules/.package-lock.json: grafana/package.json grafana/package-lock.json | need-node
	$(NPM) ci --ignore-scripts --no-audit --no-fund
	@touch $@

grafana: plugins ## start a locally installed Grafana on the data of a running rcas
	@node grafana/start.mjs

demo: build need-node ## replay a week and show what RCAS finds in it
	@$(BIN) demo $(DEMO)

test: build plugins ## run all tests on the real embedded database, a real NATS server and a real browser
	@$(BIN) setup >/dev/null
	$(NPM) test
	$(GO) test -timeout 30m $(PKGS)

lint: need-go grafana/node_modules/.package-lock.json ## vet, formatting and static analysis
	@test -z "$$(gofmt -l $$(git ls-files '*.go'))" || { echo "these files are not formatted; run gofmt -w on them:"; gofmt -l $$(git ls-files '*.go'); exit 1; }
	$(GO) vet $(PKGS)
	$(GO) tool staticcheck $(PKGS)
	$(NPM) run typecheck
	$(NPM) run lint

soak: need-go ## run 500 seeded simulations of every live feed, let two years pass over the database, measure the signals on 1,000 series, try every fault for a minute, and an hour of overload
	@mkdir -p out
	RCAS_SEEDS=500 RCAS_SOAK=1 $(GO) test -count=1 -timeout 90m -v -run 'Misbehaving|WithoutHistory|OnNoise|Planted|TimeMachine' \
		./ingestor/... ./migrations ./store >out/soak.log; \
	status=$$?; RCAS_SOAK=1 $(GO) test -count=1 -timeout 4h -parallel 1 -v -run 'TestFaults|TestOverload|TestFirstEvening' ./cmd/rcas >>out/soak.log || status=1; \
	grep -E 'seeds in|lost|series|back-tests|after its end|posts accepted|from an empty directory|^(FAIL|ok)' out/soak.log; exit $$status

# What bench compares with: built when it is first asked for, left out where that fails, as without a network.
RIVALS   := bin/compare
TELEGRAF := v1.37.2

$(RIVALS)/vader: bench/vader/main.go bench/vader/go.mod
	-@CGO_ENABLED=0 $(GO) build -C bench/vader -trimpath -o $(CURDIR)/$@

$(RIVALS)/telegraf:
	-@CGO_ENABLED=0 GOBIN=$(CURDIR)/$(RIVALS) $(GO) install -tags custom,inputs.tail,outputs.postgresql,parsers.json \
		github.com/influxdata/telegraf/cmd/telegraf@$(TELEGRAF)

bench: build need-node $(RIVALS)/vader $(RIVALS)/telegraf ## measure the whole road, its parts and what others need for them, on 612,288 comments
	@$(BIN) bench --compare $(RIVALS) --backlog 1h $(BENCH)

model: ## train the bundled model again: make model LABELS=DIR
	@test -n "$(LABELS)" || { echo "say where the labelled texts are: make model LABELS=DIR"; exit 1; }
	$(PYTHON) scorer/training/train.py --labels $(LABELS) --out scorer/models/rcas-small-en

clean: ## remove what was built here (data and downloads stay in your home)
	rm -rf bin out grafana/dist

.PHONY: need-go need-node
need-go:
	@command -v $(GO) >/dev/null || { echo "Go is missing: install version 1.26 or newer from your distribution or go.dev/dl"; exit 1; }
	@command -v $${CC:-cc} >/dev/null || { echo "a C compiler is missing (the ONNX Runtime is called through cgo): install gcc"; exit 1; }
need-node:
	@command -v node >/dev/null && command -v npm >/dev/null || { echo "Node.js with npm is missing: install nodejs (20 or newer) and npm from your distribution"; exit 1; }
