# Everything generated lies in target/. `make demo` and `make test` set up what
# they need; only `make setup` needs root.

.DELETE_ON_ERROR:

.PHONY: help
help:
	@echo "make demo       a controller in QEMU is updated, and comes back from two bad updates;"
	@echo "                with SECURE_BOOT=1 under keys of its owner, and Secure Boot;"
	@echo "                with OS=debian on a Debian with systemd, nginx and PostgreSQL"
	@echo "make test       everything; some 30 minutes the first time"
	@echo "make test-long  the scenarios for which that is too short"
	@echo "make deb        Debian's packages, in target/deb; with ARCH=arm64 for that processor"
	@echo "make sim-full   the power-cut simulator over more states, and more finely"
	@echo "make bench      times, sizes and memory beside the peers, in target/bench; half an hour, as root"
	@echo "make bench-quick  the same with one round of each, for development"
	@echo "make bench-debian  how long production stands still over an update, beside a plain"
	@echo "                Debian's restart; three quarters of an hour, as root"
	@echo "make fuzz       every fuzz target for FUZZ_SECONDS (600) each"
	@echo "make mutants    changes what decides, one spot at a time: a test must notice 98 of 100; hours"
	@echo "make sabotage   breaks it on purpose in known ways: each must be noticed"
	@echo "make lint       formatting and clippy"
	@echo "make setup      the Debian packages and tools that all this needs (as root)"

.PHONY: demo
demo:
	@echo "demo: setting up, building and running; 15 minutes the first time, 6 later"
	@hw-tests/setup.sh demo
	@$(MAKE) --no-print-directory bootshim $(if $(filter debian,$(OS)),debian,demo-os)
	@cargo run -q -p hw-tests --bin demo -- $(if $(filter 1,$(SECURE_BOOT)),secure-boot) $(filter debian,$(OS))

.PHONY: test
test: test-setup bootshim demo-os demo-arm64 debian
	@hw-tests/test.sh --workspace \
		"--release -p hw-tests --features simulator --test simulator"

.PHONY: test-setup
test-setup:
	@hw-tests/setup.sh test

.PHONY: test-long
test-long: setup bootshim demo-os deb debian target/demo-os-arm64/root-v4.erofs \
		target/bootctl.tar target/initrds/dracut.img target/clean-debian.tar
	@hw-tests/test.sh "-p hw-tests --features long --test long" \
		"-p slotctl --features long --test files killed"

# The power-cut simulator at length, and one of its disks again.
.PHONY: sim-full
sim-full:
	cargo run -q --release -p hw-tests --bin sim -- full

.PHONY: sim-again
sim-again:
	cargo run -q --release -p hw-tests --bin sim -- $(CASE)

# Beside the peers, then what an install spends its time with. On a quiet
# machine, or the figures mean nothing.
.PHONY: bench bench-quick
bench bench-quick: setup bootshim
	@cargo build -q --release -p slotctl -p hw-tests --bin slotctl --bin bench
	@target/release/bench $(if $(filter bench-quick,$@),--quick) $(if $(ROWS),--only $(ROWS))
	@cargo bench -q -p images -p bootshim --bench chunk --bench choice -- \
		--warm-up-time 1 --measurement-time 2

# Beside the same Debian without slotctl.
.PHONY: bench-debian
bench-debian: setup bootshim deb debian target/plain-debian.img
	@cargo build -q --release -p hw-tests --bin bench-debian
	@target/release/bench-debian

target/plain-debian.img: hw-tests/plain-debian.sh target/debian/root-v4.erofs
	$< target/debian/base-*.tar $@

.PHONY: fuzz
fuzz: setup
	@hw-tests/fuzz/run.sh

.PHONY: mutants
mutants: setup bootshim
	@hw-tests/mutants.sh

.PHONY: sabotage
sabotage: bootshim
	@hw-tests/sabotage.sh

# What the small program for an initramfs does without: TLS, HTTP, bars, threads, and
# what reads a command line at length.
NOT_IN_ROOT = '^(rustls|webpki|ring|native-tls|openssl|ureq|hyper|reqwest|clap|console|indicatif|rayon|zstd)'

.PHONY: lint
lint:
	cargo fmt --all --check
	cargo clippy -q --workspace --all-targets --all-features -- -D warnings
	cargo clippy -q -p images --no-default-features -- -D warnings
	cargo clippy -q -p images --no-default-features --features std -- -D warnings
	cargo clippy -q -p images --no-default-features --features unpack -- -D warnings
	cargo clippy -q -p slotctl-root -- -D warnings
	tree=$$(cargo tree -q -p slotctl-root -e normal --prefix none) && ! echo "$$tree" | grep -E $(NOT_IN_ROOT)
	for patch in hw-tests/sabotage/*.patch; do git apply --check $$patch || exit; done

.PHONY: setup
setup:
	@hw-tests/setup.sh

# The programs for the demo OS: static, since that has no libraries. Only the last
# step of their build differs from that of `cargo build`.
target/demo/slotctl: PROFILE = release
target/demo/slotctl: LAST =
target/demo/slotctl-root: PROFILE = initramfs
# 45 kB of relocations become 1. A static program applies its own, and of this kind
# from glibc 2.36 on: hence the look whether it starts.
target/demo/slotctl-root: LAST = -Clink-arg=-Wl,-z,pack-relative-relocs

.PHONY: FORCE
target/demo/slotctl target/demo/slotctl-root: FORCE
	@mkdir -p target/demo
	cargo rustc -q --profile $(PROFILE) -p $(@F) --bin $(@F) -- -Ctarget-feature=+crt-static $(LAST)
	@strip -o $@.new target/$(PROFILE)/$(@F)
	@$@.new --version >/dev/null
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

.PHONY: demo-os
demo-os: target/demo-os/root-v4.erofs

target/demo-os/root-v4.erofs: target/demo/slotctl target/demo/slotctl-root \
		$(shell find images/demo -type f)
	images/demo/build.sh target/demo target/demo-os

# Kernel, initramfs and root for the scenarios on arm64.
.PHONY: demo-arm64
demo-arm64: target/demo-arm64/root.erofs

target/demo-arm64/root.erofs: $(shell find images/demo/arm64 images/demo/*.sh -type f)
	images/demo/arm64.sh target/demo-arm64

target/demo-arm64/slotctl target/demo-arm64/slotctl-root: FORCE
	@slotctl/cross.sh $@

target/demo-os-arm64/root-v4.erofs: target/demo-arm64/slotctl target/demo-arm64/slotctl-root \
		$(shell find images/demo -type f)
	images/demo/build.sh target/demo-arm64 target/demo-os-arm64 arm64

# Debian's packages; named by their changelog, as dpkg does.
ARCH = amd64
VERSION = $(shell sed -n '1s/.*(\(.*\)).*/\1/p' debian/changelog)
INITRAMFS = target/deb/slotctl-initramfs_$(VERSION)_amd64.deb

.PHONY: deb
deb:
	@hw-tests/setup.sh deb
	@debian/build.sh $(ARCH)

# One that comes out the same is left alone.
$(INITRAMFS): deb
	@:

# What the packages for this processor have of what is compiled.
.PHONY: programs
programs: bootshim target/demo/slotctl-root
	cargo build -q --locked --release -p slotctl --bin slotctl
	cargo run -q --locked --release -p pages -- target/pages
	@mkdir -p target/package-amd64
	cp target/release/slotctl target/demo/slotctl-root target/package-amd64

# The same packages, of programs that the tests have built anyway: within seconds.
PACKED = target/packed/slotctl-initramfs_$(VERSION)_amd64.deb

.PHONY: packed
packed: programs
	@hw-tests/setup.sh deb
	@debian/build.sh amd64 packed

$(PACKED): packed
	@:

# A controller's Debian, with slotctl's own packages.
.PHONY: debian
debian: target/demo/slotctl target/debian/root-v4.erofs

target/debian/root-v4.erofs: $(PACKED) $(shell find images/debian -type f)
	images/debian/build.sh target/packed target/debian

# For the scenario that asks it what booted.
target/bootctl.tar: hw-tests/bootctl.sh
	@$< $@

# For the packages to be installed in.
target/clean-debian.tar: Makefile
	mmdebstrap --quiet --variant=minbase --include=systemd,initramfs-tools,ca-certificates \
		bookworm $@

# With the hooks of slotctl, for the scenarios that run them.
target/initrds/dracut.img: hw-tests/initrds.sh $(INITRAMFS)
	$< $(INITRAMFS) $(@D)

# The program before the kernel, for x86_64 and aarch64.
.PHONY: bootshim
bootshim:
	@bootshim/efi/build.sh
