#!/usr/bin/env bash
# run.sh COMMAND...: runs COMMAND as root in a small virtual machine with Debian's stock kernel and this machine's own root, of which
# the guest sees the files but can change none (a tmpfs takes its writes). Its output comes to stdout, its exit code is this script's.
#
#   GUEST_TIMEOUT   seconds after which the guest is ended (exit 124), 1500
#   GUEST_CPUS      2
#   GUEST_MEMORY    2G
#   GUEST_VERBOSE   1: the kernel's console log on stderr at the end, and how long it took
#
# Exit codes of its own: 64 no command, 69 a package is missing, 70 the guest ended without an exit code (a panic, say), 124 timeout.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
repo=$(cd "$here/../.." && pwd -P)
PATH=$PATH:/usr/sbin:/sbin
if (($# == 0)); then
  echo 'usage: run.sh COMMAND...' >&2
  exit 64
fi

missing=()
need() { command -v "$1" >/dev/null || missing+=("$2"); }
need qemu-system-x86_64 qemu-system-x86
need busybox busybox-static
need modprobe kmod
need ip iproute2
# The initrd has no libraries: a busybox that is linked to some would be a guest without its first process.
if command -v busybox >/dev/null && ! bash "$here/is-static.sh" "$(command -v busybox)"; then missing+=(busybox-static); fi
if command -v busybox >/dev/null && ! busybox --list | grep -qx switch_root; then missing+=(busybox-static); fi
# The cloud kernel has no 9p. One without its modules (a container has /boot of another machine, say) is of no use either.
release=
while read -r vmlinuz; do
  candidate=${vmlinuz#/boot/vmlinuz-}
  if [[ $candidate != *cloud* && -r $vmlinuz && -d /lib/modules/$candidate/kernel/fs/9p ]]; then release=$candidate; fi
done < <(printf '%s\n' /boot/vmlinuz-* | sort -V)
if [[ -z $release ]]; then missing+=(linux-image-amd64); fi
if ((${#missing[@]})); then
  echo "guest: missing: apt-get install --no-install-recommends ${missing[*]}" >&2
  exit 69
fi

# --- what every run shares ---
cache=$repo/.cache/guest
mkdir -p "$cache"
key=$release-$(cat "/boot/config-$release" "$here"/{init,stage2,make-initrd.sh,extract-kernel.sh} "$(command -v busybox)" 2>/dev/null | cat - <(stat -c '%s %Y' "/boot/vmlinuz-$release") | sha256sum | cut -c1-16)
initrd=$cache/initrd-$key
kernel=$cache/vmlinux-$key
# Another run may be making it.
exec {lock}>"$cache/lock"
flock "$lock"
if [[ ! -e $initrd ]]; then
  rm -f "$cache"/initrd-* "$cache"/vmlinux-*
  bash "$here/extract-kernel.sh" "/boot/vmlinuz-$release" "$kernel" || : >"$kernel"
  bash "$here/make-initrd.sh" "$release" "$initrd"
fi
exec {lock}>&-
[[ -s $kernel && ${GUEST_PVH:-1} == 1 ]] || kernel=/boot/vmlinuz-$release

# --- this run ---
work=$(mktemp -d)
qemu=
reader=
# shellcheck disable=SC2317 # called by the trap
end() {
  if [[ -n $qemu ]]; then
    kill -TERM "$qemu" 2>/dev/null || true
    wait "$qemu" 2>/dev/null || true
  fi
  if [[ -n $reader ]]; then kill "$reader" 2>/dev/null || true; fi
  rm -rf "$work"
}
trap end EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

mkdir "$work/job"
printf 'REPO=%q\n' "$repo" >"$work/job/settings"
{
  printf 'cd -- %q\n' "$repo"
  printf 'export HOME=/root LANG=C.UTF-8 TOPOWEAVE_GUEST=1 PATH=%q\n' "$PATH"
  for name in CI TEST_EMULATED GITHUB_ACTIONS NO_COLOR FORCE_COLOR NODE_OPTIONS ${!TOPOWEAVE_@}; do
    if [[ -v $name && $name != TOPOWEAVE_GUEST ]]; then printf 'export %s=%q\n' "$name" "${!name}"; fi
  done
  printf 'exec'
  printf ' %q' "$@"
  echo
} >"$work/job/command"
# The kernel unpacks several archives one after the other.
{
  cat "$initrd"
  (cd "$work" && find job | busybox cpio -o -H newc 2>/dev/null)
} >"$work/initrd"
: >"$work/status"
mkfifo "$work/output" # not qemu's own stdout: with no stdin, its stdio is a port that is closed; and a file may not open it anew
cat "$work/output" &
reader=$!

started=$EPOCHREALTIME
# -accel tcg always: on a machine that is itself virtual, kvm hangs. The kernel's console goes to a file, so that the output is the command's alone.
timeout -k 5 "${GUEST_TIMEOUT:-1500}" qemu-system-x86_64 \
  -accel tcg,thread=multi -cpu max -smp "${GUEST_CPUS:-2}" -m "${GUEST_MEMORY:-2G}" \
  -nodefaults -no-user-config -display none -monitor none -no-reboot -net none \
  -kernel "$kernel" -initrd "$work/initrd" \
  -append "console=ttyS0 quiet loglevel=3 panic=-1 mitigations=off nokaslr audit=0 apparmor=0 random.trust_cpu=on tsc=reliable ${GUEST_APPEND:-}" \
  -chardev "file,id=console,path=$work/console" -serial chardev:console \
  -device virtio-serial \
  -chardev "file,id=output,path=$work/output" -device virtserialport,chardev=output,name=output \
  -chardev "file,id=status,path=$work/status" -device virtserialport,chardev=status,name=status \
  -virtfs local,path=/,mount_tag=host,security_model=none,multidevs=remap,readonly=on \
  </dev/null &
qemu=$!
ended=0
wait "$qemu" || ended=$?
qemu=
: <>"$work/output" # lets the reader go when qemu has not even opened it
wait "$reader" || true
reader=

if [[ ${GUEST_VERBOSE:-} == 1 ]]; then
  tr -d '\r' <"$work/console" >&2
  awk -v a="$started" -v b="$EPOCHREALTIME" 'BEGIN { printf "guest: %.1f s\n", b - a }' >&2
fi
if ((ended == 124 || ended == 137)); then
  echo "guest: ended after ${GUEST_TIMEOUT:-1500} s (GUEST_TIMEOUT)" >&2
  exit 124
fi
if [[ $(<"$work/status") =~ ^exit\ ([0-9]+)$ ]]; then
  exit "${BASH_REMATCH[1]}"
fi
echo "guest: it ended without an exit code (qemu: $ended); the end of its console:" >&2
tr -d '\r' <"$work/console" | tail -n 40 >&2
exit 70
