#!/bin/sh
# Called by build.sh, as root or as who is taken for it: roots.sh BASE PACKAGES OUT.
# slotctl's packages and what makes a Debian this controller's go onto Debian's own;
# then one root for each version.
set -eu

base=$1 packages=$2 out=$3
here=$(dirname "$(realpath "$0")")

tree=$(mktemp -d "$out/tree.XXXXXX")
trap 'rm -rf "$tree"' EXIT
chmod 755 "$tree"
tar -x -f "$base" -C "$tree" --numeric-owner --xattrs
cp -r --no-preserve=ownership "$here/root/." "$tree"

in_tree() { chroot "$tree" env --unset=TMPDIR DEBIAN_FRONTEND=noninteractive "$@"; }

mkdir "$tree/packages"
cp "$packages"/slotctl_*_amd64.deb "$packages"/slotctl-initramfs_*_amd64.deb "$tree/packages"
in_tree sh -c 'dpkg --install /packages/*.deb' >"$out/said" 2>&1 || {
	cat "$out/said" >&2
	exit 1
}
mkdir -p "$tree/srv/www" "$tree/var/lib/slotctl" "$tree/var/log/journal"
# Nobody makes it on a root that cannot be written.
ln -sf /etc/machine-id "$tree/var/lib/dbus/machine-id"
# Its configuration, of which conf.d is a part; the cluster itself each controller makes.
in_tree pg_createcluster 15 main --pgoption add_include_dir=conf.d >>"$out/said"
rm -rf "$tree/var/lib/postgresql/15"
in_tree systemctl --quiet enable slotctl-watch systemd-networkd shell postgresql-first
# What writes to a root that cannot be written, or wants a network that is not there.
in_tree systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
	e2scrub_all.timer e2scrub_reap.service fstrim.timer

version=$(ls "$tree/lib/modules")
in_tree mkinitramfs -o /initrd.new "$version"
mv "$tree/initrd.new" "$out/initrd.img"
cp "$tree/boot/vmlinuz-$version" "$out/vmlinuz"

# What the kernel and its tools need no more, and what differs from build to build.
rm -rf "$tree"/boot/* "$tree/packages" "$tree"/initrd.img* "$tree"/vmlinuz* \
	"$tree"/var/cache/apt/* "$tree"/var/cache/ldconfig/* "$tree"/var/lib/apt/lists/* \
	"$tree"/var/log/*.log "$tree"/var/log/apt "$tree"/run/* "$tree"/tmp/*
: >"$tree/etc/machine-id"

cp "$tree/etc/os-release" "$out/os-release"
for number in 1 2 3 4; do
	root=$tree
	{
		cat "$out/os-release"
		echo "IMAGE_ID=debian-plc"
		echo "IMAGE_VERSION=$number.0"
	} >"$tree/usr/lib/os-release"
	echo "<h1>Demo plant, version $number</h1>" >"$tree/srv/www/index.html"
	# On top of the one before, and taken away behind it.
	if [ -d "$here/v$number" ]; then
		root=$(mktemp -d "$out/tree.XXXXXX")
		chmod 755 "$root"
		cp -a "$tree/." "$root"
		cp -r --no-preserve=ownership --remove-destination "$here/v$number/." "$root"
	fi
	mkfs.erofs --quiet -T"$SOURCE_DATE_EPOCH" -U"00000000-0000-4000-8000-00000000001$number" \
		"$out/root-v$number.erofs" "$root"
	[ "$root" = "$tree" ] || rm -rf "$root"
done
rm "$out/os-release"
