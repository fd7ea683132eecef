# Two commands: `make demo` shows the main job, `make test` passes the tests. Both install what is missing, as root or
# with sudo, on Debian and its relatives.

.PHONY: demo demo-serve demo-debian13 test test-debian13 torture relay-run fuzz bench bench-scale openapi lint package \
	package-test tools-demo tools-test tools-debian13 tools-fuzz tools-bench tools-openapi tools-package

# What is shipped has it; all of these share one build.
FEATURES = --features otlp

demo: tools-demo
	cargo run --locked --quiet $(FEATURES) -- demo

demo-serve: tools-demo
	cargo run --locked --quiet $(FEATURES) -- demo --serve

# Most tests wait for a server, not for a processor.
test: tools-test
	RUST_TEST_THREADS=6 cargo test --locked $(FEATURES)

# The same tests on Debian 13 with its database, PHP and WordPress, in a folder of some gigabyte: as root or with sudo, where
# these may mount.
DEBIAN13 = target/debian13
ON_DEBIAN13 = --config 'target."cfg(all())".runner = ["tests/releases/debian", "run", "$(DEBIAN13)"]'

test-debian13: tools-debian13
	RUST_TEST_THREADS=6 cargo test --locked $(FEATURES) $(ON_DEBIAN13)

demo-debian13: tools-debian13
	cargo run --locked --quiet $(FEATURES) $(ON_DEBIAN13) -- demo

# Long rounds of what `make test` does shortly: everything fails at random, and nothing may be lost.
torture: tools-test
	FCOM_TORTURE_ROUNDS=100 cargo test --locked $(FEATURES) --test it -- torture --nocapture

# Five thousand calls at full speed while PHP, its web server and its listeners fail, and what the relay costs them. FCOM_RELAY_SEED
# has others fail. Some five minutes after the build, for which the machine should have nothing else to do.
relay-run: tools-test
	FCOM_RELAY_CALLS=5000 cargo test --release --locked $(FEATURES) --test it -- relay::burst --include-ignored --nocapture --test-threads=1

# Some ten minutes, for which the machine should have nothing else to do. BENCH="--seconds 10" measures for longer, and
# BENCH=--help tells what else there is.
bench: tools-bench
	cargo bench --locked $(FEATURES) --bench load -- $(BENCH)

# The same calls on sites of up to a million users. Takes long, and gigabytes in target/ while it runs.
bench-scale: tools-demo
	cargo bench --locked $(FEATURES) --bench load -- --scale $(BENCH)

# Strangers' requests to every route of the admin listener, made up from its own description. Some two minutes.
SCHEMATHESIS = target/schemathesis/bin/schemathesis

openapi: tools-openapi
	SCHEMATHESIS=$(CURDIR)/$(SCHEMATHESIS) cargo test --locked $(FEATURES) --test it -- --ignored openapi --nocapture

lint:
	cargo fmt --check
	cargo clippy --locked --all-targets $(FEATURES) -- -D warnings
	cargo clippy --locked -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps $(FEATURES)
	cargo deny check licenses bans sources

# The Debian package, in target/debian.
package: tools-package
	cargo build --release --locked $(FEATURES)
	target/release/fcom-sidecar packaging target/package
	cargo deb --no-build --locked

# Installs it on this machine, upgrades and purges it: as root, on a machine for tests.
package-test: package tools-test
	@deploy/install-tools adduser
	cp $$(ls -t target/debian/*.deb | head -n 1) target/package/release.deb
	cargo deb --quiet --fast --no-build --locked --deb-version 99.0.0 --output target/package/upgrade.deb
	$$(test $$(id -u) -eq 0 || echo sudo) deploy/deb/test target/package/release.deb target/package/upgrade.deb

# Each fuzz target from its corpus for so many seconds; what it finds is kept in tests/fuzz/artifacts.
FUZZ_SECONDS = 20
FUZZ = cargo +nightly fuzz

fuzz: tools-fuzz
	$(FUZZ) build --fuzz-dir tests/fuzz
	for target in $$($(FUZZ) list --fuzz-dir tests/fuzz); do \
		mkdir -p tests/fuzz/target/corpus/$$target; \
		$(FUZZ) run --fuzz-dir tests/fuzz $$target tests/fuzz/target/corpus/$$target tests/fuzz/corpus/$$target -- \
			-max_total_time=$(FUZZ_SECONDS) -max_len=8192 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 || exit 1; \
	done

tools-demo:
	@deploy/install-tools cargo cc curl mariadbd

# Among them a WordPress with its translations, which judges what the tests make the daemon write, the web servers of
# deploy/, none of which is started as the machine's own, what a cluster needs to copy its data, and a clock that can be set.
TEST_TOOLS = curl mariadbd php php-fpm nginx apache2 caddy haproxy systemd-analyze promtool \
	/usr/share/wordpress/wp-load.php /usr/share/wordpress/wp-content/languages/de_DE.mo \
	/usr/lib/galera/libgalera_smm.so mariadb-backup socat faketime

tools-test:
	@deploy/install-tools cargo cc $(TEST_TOOLS)

tools-debian13:
	@deploy/install-tools cargo cc debootstrap
	@tests/releases/debian make $(DEBIAN13) trixie $(TEST_TOOLS)

tools-openapi: tools-demo
	@deploy/install-tools python3 /usr/share/doc/python3-venv
	@test -x $(SCHEMATHESIS) || python3 -m venv target/schemathesis
	@test -x $(SCHEMATHESIS) || target/schemathesis/bin/pip install --quiet schemathesis==4.32.5

tools-package:
	@deploy/install-tools cargo cc dpkg-shlibdeps
	@command -v cargo-deb >/dev/null || test -x $$HOME/.cargo/bin/cargo-deb || cargo install --locked --quiet cargo-deb@3.8.0

tools-fuzz:
	@deploy/install-tools cargo c++
	@cargo +nightly --version >/dev/null 2>&1 || rustup toolchain install nightly --profile minimal
	@command -v cargo-fuzz >/dev/null || test -x $$HOME/.cargo/bin/cargo-fuzz || cargo install --locked cargo-fuzz@0.13.2

tools-bench: tools-test
