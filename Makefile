# `make demo` shows the main job, `make test` runs the tests. Both install missing Debian packages, as root or with sudo.
# `make help` lists the other targets.

.PHONY: help demo demo-serve demo-debian13 test test-debian13 judges matrix mail-servers docs torture relay-run shadow-run fuzz bench bench-compare bench-scale openapi pictures lint \
	advisories package package-test tools-demo tools-test tools-browser tools-debian13 tools-judges tools-matrix tools-mail-servers tools-fuzz tools-bench tools-openapi tools-lint \
	tools-package

# For development: everything, so that all targets share one build.
FEATURES = --features otlp
# As shipped: without the demo.
SHIPPED = --no-default-features --features otlp

help: ## Lists the targets
	@sed -n 's/^\([a-z0-9-]*\):[^#]*## /\1	/p' Makefile | expand -t 15

demo: tools-demo ## One webhook call on a private MariaDB: the response, the rows, the mail
	cargo run --locked --quiet $(FEATURES) -- demo

demo-serve: tools-demo ## The same, and leaves the daemon running
	cargo run --locked --quiet $(FEATURES) -- demo --serve

# Most tests wait for a server, not for the processor. ONLY=mail::promise::… runs one of them, on other releases, too.
RUN_TESTS = RUST_TEST_THREADS=6 cargo test --locked --no-fail-fast $(FEATURES)
THESE = $(if $(ONLY),-- --exact $(ONLY),$(1))

test: tools-test tools-browser ## All tests
	$(RUN_TESTS) $(THESE)

# The same tests with the packages of another Debian release, in a directory that debootstrap creates. Needs root or sudo, and
# permission to mount. But for those in a browser, which would fill half a gigabyte there and see the same pages.
DEBIAN13 = target/debian13
ON_DEBIAN13 = --config 'target."cfg(all())".runner = ["tests/releases/debian", "run", "$(DEBIAN13)"]'

test-debian13: tools-debian13 ## All tests with Debian 13's database, PHP and WordPress
	$(RUN_TESTS) $(ON_DEBIAN13) $(call THESE,-- --skip browser::)

# The newest WordPress, its PHP and web servers, from Debian unstable, judge what the daemon writes. In a directory of its own, as above.
SID = target/debian-sid
ON_SID = --config 'target."cfg(all())".runner = ["tests/releases/debian", "run", "$(SID)"]'

judges: tools-judges ## The tests on a real WordPress and with web servers, with Debian unstable's
	$(RUN_TESTS) --test it $(ON_SID) $(call THESE,-- wordpress:: web_servers)

# Servers of other Debian releases, unpacked in folders below target/servers, and the tests of what depends on the database. Four to eight
# minutes for each server. `make test` runs all of them on the machine's own, and `make test-debian13` on MariaDB 11.8. What mail servers, browsers
# and attackers send is the same with any database.
SERVERS = mariadb-10.5 mysql-9.7
DATABASE_TESTS = calls:: admin::webhooks admin::console::pages database:: exactly_once:: faults:: incidents:: mail::promise mail::late_mails \
	mail::retention operator:: security::signed security::protection --skip wordpress:: --skip mail_server

matrix: tools-matrix ## The database's tests on other releases of MariaDB and on MySQL
	DATABASE_TESTS="$(if $(ONLY),--exact $(ONLY),$(DATABASE_TESTS))" tests/releases/servers test target/servers $(SERVERS)

# Debian 13's Postfix, Exim and OpenSMTPD, each in a layer over the directory above. Needs root or sudo, too, and overlayfs.
mail-servers: tools-mail-servers ## Mails to real mail servers
	FCOM_MAIL_RELEASE=$(DEBIAN13) FCOM_MAIL_SERVERS=$(CURDIR)/target/mail-servers \
		cargo test --locked $(FEATURES) --test it -- --ignored real_servers

demo-debian13: tools-debian13 ## The demo with Debian 13's MariaDB
	cargo run --locked --quiet $(FEATURES) $(ON_DEBIAN13) -- demo

# Writes docs/configuration.md, docs/metrics.md and the line of the must-use plugin that says which edition it is.
docs: ## The generated documents
	cargo test --locked $(FEATURES) --test it -- --ignored write_generated_documents

# Of the console, with the demo's site and a quarter of an hour of calls. Look at them before they go into a commit.
pictures: tools-test tools-browser ## README's pictures
	cargo test --locked $(FEATURES) --test it -- --ignored write_pictures

# Longer rounds of a test that `make test` runs briefly: everything fails at random, and nothing may be lost.
torture: tools-test ## Long rounds of random failures
	FCOM_TORTURE_ROUNDS=100 cargo test --locked $(FEATURES) --test it -- torture --nocapture

# Five thousand calls at full speed while PHP, its web server and its listeners fail, and what the relay costs. FCOM_RELAY_SEED
# selects other failures. About five minutes after the build, on an otherwise idle machine.
relay-run: tools-test ## Thousands of hooks through a WordPress that fails
	FCOM_RELAY_CALLS=5000 cargo test --release --locked $(FEATURES) --test it -- relay::burst relay::speed --include-ignored --nocapture --test-threads=1

# About twenty minutes, on an otherwise idle machine. BENCH="--seconds 10" measures for longer; BENCH=--help lists the options.
bench: tools-bench ## Measures calls on this machine; writes tests/bench/ratios.toml
	cargo bench --locked $(FEATURES) --bench load -- $(BENCH)

# BASE is a commit, or a file. Fails if a ratio got worse by more than a tenth: BENCH="--tolerance 0.05".
BASE = HEAD

bench-compare: ## Compares the ratios of the last measurement with another commit's
	@mkdir -p target
	@if test -f "$(BASE)"; then cp "$(BASE)" target/ratios.base.toml; \
		else git show "$(BASE):tests/bench/ratios.toml" >target/ratios.base.toml; fi
	cargo bench --locked $(FEATURES) --bench load -- --compare $(CURDIR)/target/ratios.base.toml $(CURDIR)/tests/bench/ratios.toml $(BENCH)

# Calls, starts and what operators read, on sites of up to a million users. About twenty minutes; needs 30 GB in target/ while it runs.
bench-scale: tools-demo ## Measures sites of up to a million users
	cargo bench --locked $(FEATURES) --bench load -- --scale $(BENCH)

# What shadow mode adds to the time of a call, on an otherwise idle machine. A minute after the build.
shadow-run: tools-test ## What callers wait for in shadow mode
	cargo test --release --locked $(FEATURES) --test it -- shadow::cost --ignored --nocapture

# Random requests to every route of the admin listener, generated from its OpenAPI description. About two minutes.
SCHEMATHESIS = target/schemathesis/bin/schemathesis

openapi: tools-openapi ## Tests what the admin listener's description promises
	SCHEMATHESIS=$(CURDIR)/$(SCHEMATHESIS) cargo test --locked $(FEATURES) --test it -- --ignored openapi --nocapture

lint: tools-lint ## Format, clippy, documentation, licences and banned crates
	cargo fmt --check
	cargo clippy --locked --all-targets $(FEATURES) -- -D warnings
	cargo clippy --locked --no-default-features -- -D warnings
	RUSTDOCFLAGS="-D warnings" cargo doc --locked --no-deps $(FEATURES)
	cargo deny check licenses bans sources

# Needs RustSec's database, from GitHub or from a clone: make advisories ADVISORY_DB=…
advisories: export ADVISORY_DB := $(ADVISORY_DB)
advisories: tools-lint ## Known vulnerabilities and abandoned crates among the dependencies
	.ci/advisories

# In target/debian, with its bill of materials (CycloneDX). DEBFULLNAME and DEBEMAIL name the maintainer. Both carry the date of the
# commit. Packages of earlier commits stay beside it.
CARGO_DEB = SOURCE_DATE_EPOCH=$$(deploy/source-date) cargo deb --quiet --no-build --locked --maintainer "$$(deploy/deb/maintainer)"

package: tools-package ## The Debian package
	cargo auditable build --release --locked $(SHIPPED) --bin fcom-sidecar
	cargo run --quiet --locked $(SHIPPED) --example packaging -- target/package
	deploy/sbom target/package/sbom.cdx.json $(SHIPPED)
	deb=$$($(CARGO_DEB) --deb-version "$$(deploy/deb/version)") && cp target/package/sbom.cdx.json "$${deb%.deb}.cdx.json" && echo "$$deb"

# As root, on a machine for tests.
package-test: package tools-test ## Installs the package on this machine, upgrades and purges it
	@deploy/install-tools adduser
	cp $$(ls -t target/debian/*.deb | head -n 1) target/package/release.deb
	$(CARGO_DEB) --fast --deb-version 99.0.0 --output target/package/upgrade.deb
	cargo tree --locked $(SHIPPED) --edges normal,build --prefix none --no-dedupe >target/package/crates
	deploy/sbom target/package/again.cdx.json $(SHIPPED) && cmp target/package/again.cdx.json target/package/sbom.cdx.json
	$$(test $$(id -u) -eq 0 || echo sudo) deploy/deb/test target/package/release.deb target/package/upgrade.deb target/package/crates

# Runs each fuzz target from its corpus for FUZZ_SECONDS; findings go to tests/fuzz/artifacts.
FUZZ_SECONDS = 20
FUZZ = cargo +nightly fuzz

fuzz: tools-fuzz ## Random input for everything that parses untrusted bytes
	$(FUZZ) build --fuzz-dir tests/fuzz
	for target in $$($(FUZZ) list --fuzz-dir tests/fuzz); do \
		mkdir -p tests/fuzz/target/corpus/$$target; \
		$(FUZZ) run --fuzz-dir tests/fuzz $$target tests/fuzz/target/corpus/$$target tests/fuzz/corpus/$$target -- \
			-max_total_time=$(FUZZ_SECONDS) -max_len=8192 -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 || exit 1; \
	done

tools-demo:
	@deploy/install-tools cargo cc curl mariadbd

# Among them: a WordPress with its translations, which judges what the daemon wrote; the web servers of deploy/, which are never
# started as system services; what Galera nodes need to copy their data; and an adjustable clock.
TEST_TOOLS = curl git mariadbd php php-fpm nginx apache2 caddy haproxy systemd-analyze promtool \
	/usr/share/wordpress/wp-load.php /usr/share/wordpress/wp-content/languages/de_DE.mo \
	/usr/lib/galera/libgalera_smm.so mariadb-backup socat faketime

tools-test:
	@deploy/install-tools cargo cc $(TEST_TOOLS)

# axe-core finds what keeps people from using a page. It is under the MPL and only for the tests, so it is not among the sources.
AXE = 4.14.1

tools-browser:
	@deploy/install-tools chromium chromedriver npm
	@grep -qs '"version": "$(AXE)"' target/axe/node_modules/axe-core/package.json || \
		npm install --silent --no-save --no-package-lock --prefix target/axe axe-core@$(AXE)

tools-debian13:
	@deploy/install-tools cargo cc debootstrap
	@tests/releases/debian make $(DEBIAN13) trixie $(TEST_TOOLS)

# Where the translations lag behind, they cannot be installed beside WordPress; their files will do.
tools-judges:
	@deploy/install-tools cargo cc debootstrap
	@tests/releases/debian make $(SID) sid curl mariadbd php php-fpm nginx apache2 caddy haproxy /usr/share/wordpress/wp-load.php
	@tests/releases/debian unpack $(SID) wordpress-l10n

tools-matrix: tools-test
	@deploy/install-tools /usr/share/doc/debian-archive-keyring
	@tests/releases/servers make target/servers $(SERVERS)

tools-mail-servers: tools-test tools-debian13
	@tests/releases/mail-servers make $(DEBIAN13) target/mail-servers postfix exim opensmtpd

tools-openapi: tools-demo
	@deploy/install-tools python3 /usr/share/doc/python3-venv
	@test -x $(SCHEMATHESIS) || python3 -m venv target/schemathesis
	@test -x $(SCHEMATHESIS) || target/schemathesis/bin/pip install --quiet schemathesis==4.32.5

# Installs a program from crates.io unless it is there: name, version. Not optimised, as that would take longer than it saves.
define tool
	@command -v $(1) >/dev/null || test -x $$HOME/.cargo/bin/$(1) || cargo install --locked --quiet --debug $(1)@$(2)
endef

tools-lint:
	@deploy/install-tools cargo cc
	$(call tool,cargo-deny,0.20.2)

tools-package:
	@deploy/install-tools cargo cc dpkg-shlibdeps python3
	$(call tool,cargo-auditable,0.7.7)
	$(call tool,cargo-cyclonedx,0.5.9)
	$(call tool,cargo-deb,3.8.0)

tools-fuzz:
	@deploy/install-tools cargo c++
	@cargo +nightly --version >/dev/null 2>&1 || rustup toolchain install nightly --profile minimal
	$(call tool,cargo-fuzz,0.13.2)

tools-bench: tools-test
