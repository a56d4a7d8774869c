# Sourced: Debian packages for arm64, unpacked and not installed.

# apt for arm64, from the sources of this machine, with a state of its own: the
# machine's own apt stays as it is.
apt_state() {
	rm -rf "$1/apt"
	mkdir -p "$1/apt/state/lists/partial" "$1/apt/cache/archives/partial"
	: >"$1/apt/state/status"
	cat >"$1/apt/conf" <<-END
		APT::Architecture "arm64";
		APT::Architectures { "arm64"; };
		APT::Sandbox::User "root";
		Dir::State "$1/apt/state";
		Dir::State::status "$1/apt/state/status";
		Dir::Cache "$1/apt/cache";
		Acquire::Languages "none";
		Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
	END
}

# foreign DIR PACKAGE…: the packages, and of a kernel the current one, unpacked in
# DIR. Cached: a second build needs no network.
foreign() (
	debian=$1
	shift
	for package; do
		[ -e "$debian/complete/$package" ] || break
	done
	[ ! -e "$debian/complete/$package" ] || exit 0
	mkdir -p "$debian/complete"
	apt_state "$debian"
	export APT_CONFIG="$debian/apt/conf"
	apt-get -qq update
	for package; do
		name=$package
		if [ "$name" = linux-image-arm64 ]; then
			name=$(apt-cache depends "$name" | sed -n 's/.*Depends: //p' | head -n 1)
		fi
		(cd "$debian" && apt-get -qq download "$name")
		for file in "$debian"/*.deb; do
			dpkg -x "$file" "$debian"
			rm "$file"
		done
		touch "$debian/complete/$package"
	done
	rm -rf "$debian/apt"
)
