# tsq. `make demo` shows it, `make test` checks it; CONFIG and PREFIX may be set.
PREFIX ?= /usr/local
SWIFT ?= swift
BUILD := .build/release/tsq

.PHONY: build test demo bench peers faults kills faults-nightly sanitize install uninstall deps clean help

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

build: deps ## .build/release/tsq
	$(SWIFT) build -c release --product tsq

test: deps ## everything that tests
	Scripts/test

demo: deps ## the main job from nothing to an answered question
	Scripts/demo

bench: deps ## figures of this machine beside DuckDB's
	Scripts/bench

peers: build ## the same beside all peers, on real data too, into Docs/BENCHMARKS.md
	Scripts/peers --write --json .build/peers.json

faults: ## the fault campaigns, their counts into Docs/RELIABILITY.md; 100,000 queries beside SQLite
	Scripts/faults full
	TSQ_ONLY=query $(SWIFT) build --build-tests --scratch-path .build-q
	TSQ_DIFFERENTIAL=100000 TSQ_ONLY=query $(SWIFT) test --skip-build --scratch-path .build-q --filter DifferentialTests

kills: build ## 200 kill -9 of tsq behind a real broker, alone and as one of two
	TSQ_KILLS=200 TSQ_BINARY=$(CURDIR)/$(BUILD) $(SWIFT) test --filter BrokerKillTests

faults-nightly: ## more seeds of them
	Scripts/faults nightly

sanitize: ## the engine's tests under TSan, then ASan
	Scripts/sanitize

UNITS := $(DESTDIR)$(PREFIX)/lib/systemd/system

install: build ## into PREFIX/bin, its service beside
	install -d "$(DESTDIR)$(PREFIX)/bin" "$(UNITS)"
	install -m 755 $(BUILD) "$(DESTDIR)$(PREFIX)/bin/tsq"
	sed 's|/usr/local/bin/|$(PREFIX)/bin/|' Packaging/tsq.service > "$(UNITS)/tsq.service"
	chmod 644 "$(UNITS)/tsq.service"

uninstall:
	rm -f "$(DESTDIR)$(PREFIX)/bin/tsq" "$(UNITS)/tsq.service"

deps:
	@Scripts/install-deps

clean: ## everything that was built
	rm -rf .build .build-*
