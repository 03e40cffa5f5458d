#!/usr/bin/env bash
# make-initrd.sh KERNEL-RELEASE FILE: writes the guest's initial root: busybox, the modules for 9p, overlay and the virtio ports, init.
set -euo pipefail
release=$1
file=$2
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
busybox=$(command -v busybox)
PATH=$PATH:/usr/sbin:/sbin

root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
mkdir -p "$root"/{bin,dev,proc,job,modules}
cp "$busybox" "$root/bin/busybox"
cp "$here/init" "$root/init"
cp "$here/stage2" "$root/stage2"
chmod 755 "$root/init"

# insmod in the order modprobe gives; busybox's insmod wants them uncompressed
for module in virtio_pci virtio_console 9pnet_virtio 9p overlay; do
  modprobe --show-depends -S "$release" "$module"
done | awk '$1 == "insmod" && !seen[$2]++ { print $2 }' >"$root/modules.paths"
while read -r path; do
  name=$(basename "$path")
  case "$path" in
  *.xz) name=${name%.xz} && "$busybox" xzcat "$path" >"$root/modules/$name" ;;
  *.gz) name=${name%.gz} && "$busybox" zcat "$path" >"$root/modules/$name" ;;
  *.zst) name=${name%.zst} && zstd -dcq "$path" >"$root/modules/$name" ;;
  *) cp "$path" "$root/modules/$name" ;;
  esac
  echo "$name" >>"$root/modules/order"
done <"$root/modules.paths"
rm "$root/modules.paths"

# Not compressed: the guest's processor is the slow part.
(cd "$root" && find . | "$busybox" cpio -o -H newc 2>/dev/null) >"$file.$$"
mv "$file.$$" "$file"
