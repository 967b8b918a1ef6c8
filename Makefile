# The only door. CI calls `make test` and nothing else.

TARGET  = target/$(shell rustc --print host-tuple)
BINARY  = $(TARGET)/release/dsrload
NEED    = sh build-support/need.sh
T       = 60
ROUNDS  = 41

.DEFAULT_GOAL = build
.PHONY: help build demo test prove bench fuzz lint clean

help: ## what there is, one line each
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile

build: ## dsrload, static and stripped; prints path and size
	@$(NEED) cc=gcc,libc6-dev
	@cargo build --release --locked
	@printf '%s %s bytes\n' $(BINARY) "$$(stat -c %s $(BINARY))"

demo: build ## the lab end to end: both backends answer curl (root)
	@$(NEED) nginx=nginx-core curl=curl ip=iproute2 ethtool=ethtool bpftool=bpftool
	@cargo run --quiet --locked --example demo -- $(BINARY)

test: ## lints, and all tests (root: most of them use network namespaces)
	@$(NEED) cc=gcc,libc6-dev git=git nginx=nginx-core curl=curl ip=iproute2 ethtool=ethtool bpftool=bpftool ping=iputils-ping traceroute=traceroute sysctl=procps groff=groff-base zsh=zsh fish=fish script=bsdutils promtool=prometheus chromium=chromium openssl=openssl bird=bird2
	@sh build-support/test.sh

prove: ## the long run: 5,000,000 packets, 10,000 sequences of changes (root)
	@$(NEED) cc=gcc,libc6-dev
	@cargo run --release --quiet --locked --example prove -- $(PACKETS) $(SEQUENCES)

bench: build ## what a packet and a command cost; writes target/bench*.json and the results page (root)
	@$(NEED) cc=gcc,libc6-dev ip=iproute2 xdp-loader=xdp-tools
	@$(BINARY) bench --synthetic --rounds $(ROUNDS) --json >target/bench.json.part
	@mv target/bench.json.part target/bench.json
	@cargo run --release --quiet --locked --example control -- $(BINARY) target/bench-control.json
	@cargo run --release --quiet --locked --example performance

fuzz: ## T seconds of random packets (T=60), by cargo-fuzz and nightly Rust
	@$(NEED) c++=g++
	@sh build-support/fuzz.sh $(T)

lint: ## formatting, clippy and documentation alone
	cargo fmt --all --check
	cargo clippy --locked --workspace --all-targets -- -D warnings
	RUSTDOCFLAGS="-D warnings -A rustdoc::private-intra-doc-links" cargo doc --locked --workspace --no-deps --document-private-items

clean: ## removes what was built
	cargo clean
