# Everything generated lies in target/.

.DELETE_ON_ERROR:

.PHONY: setup
setup:
	@hw-tests/setup.sh

# slotctl for the demo OS: static, since that has no libraries. Only the last
# step of its build differs from that of `cargo build --release`.
.PHONY: FORCE
target/demo/slotctl: FORCE
	@mkdir -p target/demo
	cargo rustc -q --release -p slotctl --bin slotctl -- -Ctarget-feature=+crt-static
	@strip -o $@.new target/release/slotctl
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

.PHONY: demo-os
demo-os: target/demo-os/root-v4.erofs

target/demo-os/root-v4.erofs: target/demo/slotctl $(shell find images/demo -type f)
	images/demo/build.sh $< target/demo-os

# The program before the kernel, for x86_64 and aarch64.
.PHONY: bootshim
bootshim:
	@bootshim/efi/build.sh
