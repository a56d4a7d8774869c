#!/bin/sh
# The Debian of images/debian as anybody installs it, without slotctl: on ext4, with an
# initramfs of its own, started by systemd-boot. plain-debian.sh BASE DISK, where BASE is
# the archive that images/debian/build.sh keeps; as root. Beside it bench-debian measures
# what slotctl adds to a restart.
set -eu

base=$(realpath "$1")
disk=$(realpath -m "$2")
here=$(dirname "$(realpath "$0")")
work=$(mktemp -d "$disk.XXXXXX")
trap 'rm -rf "$work"' EXIT
tree=$work/tree
mkdir "$tree"
tar -x -f "$base" -C "$tree" --numeric-owner --xattrs
cp -r --no-preserve=ownership "$here/../images/debian/root/." "$tree"
rm -rf "$tree/etc/slotctl" "$tree/usr/lib/slotctl" \
	"$tree"/etc/systemd/system/slotctl-watch.service.d
echo "LABEL=root / ext4 errors=remount-ro 0 1" >>"$tree/etc/fstab"
mkdir -p "$tree/srv/www"
echo "<h1>Demo plant, version 1</h1>" >"$tree/srv/www/index.html"

in_tree() { chroot "$tree" env --unset=TMPDIR DEBIAN_FRONTEND=noninteractive "$@"; }
in_tree pg_createcluster 15 main >/dev/null
rm -rf "$tree/var/lib/postgresql/15"
in_tree systemctl --quiet enable systemd-networkd shell postgresql-first
in_tree systemctl --quiet mask apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer \
	e2scrub_all.timer e2scrub_reap.service fstrim.timer
version=$(ls "$tree/lib/modules")
in_tree mkinitramfs -o /initrd.new "$version"
mv "$tree/initrd.new" "$work/initrd.img"
cp "$tree/boot/vmlinuz-$version" "$work/vmlinuz"

cat >"$work/entry.conf" <<'END'
linux /vmlinuz
initrd /initrd.img
options root=LABEL=root ro quiet panic=0 mitigations=off cryptomgr.notests systemd.gpt_auto=0 console=ttyS0
END
echo "timeout 0" >"$work/loader.conf"
mkfs.vfat -C "$work/esp" $((64 << 10)) >/dev/null
export MTOOLS_SKIP_CHECK=1
mmd -i "$work/esp" ::EFI ::EFI/BOOT ::loader ::loader/entries
mcopy -i "$work/esp" /usr/lib/systemd/boot/efi/systemd-bootx64.efi ::EFI/BOOT/BOOTX64.EFI
mcopy -i "$work/esp" "$work/loader.conf" ::loader/loader.conf
mcopy -i "$work/esp" "$work/entry.conf" ::loader/entries/debian.conf
mcopy -i "$work/esp" "$work/vmlinuz" "$work/initrd.img" ::

mke2fs -q -t ext4 -L root -d "$tree" "$work/root" 3G
rm -f "$disk"
truncate -s 4G "$disk"
sgdisk --new 1:1M:+64M --typecode 1:ef00 --new 2:0:+3G --typecode 2:8300 "$disk" >/dev/null
dd if="$work/esp" of="$disk" bs=1M seek=1 conv=notrunc,sparse status=none
dd if="$work/root" of="$disk" bs=1M seek=65 conv=notrunc,sparse status=none
