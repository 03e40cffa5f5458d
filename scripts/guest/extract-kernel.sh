#!/usr/bin/env bash
# extract-kernel.sh VMLINUZ FILE: takes the ELF kernel out of the bzImage, so that qemu can start it directly (PVH); unpacking it
# in the guest takes seconds. Fails when it cannot: the bzImage is then started.
set -euo pipefail
vmlinuz=$1
file=$2
trap 'rm -f "$file.$$"' EXIT

try() { # magic bytes (as \xNN), unpacking command...
  local magic=$1 at
  shift
  command -v "$1" >/dev/null || return 1
  # shellcheck disable=SC2013 # numbers
  for at in $(LC_ALL=C grep -abobP "$magic" "$vmlinuz" | cut -d: -f1); do
    tail -c "+$((at + 1))" "$vmlinuz" | "$@" >"$file.$$" 2>/dev/null || true # what follows the kernel is no archive
    if [[ $(head -c 4 "$file.$$" | od -An -tx1 | tr -d ' ') == 7f454c46 ]]; then
      mv "$file.$$" "$file"
      return 0
    fi
  done
  return 1
}
try '\xFD7zXZ\x00' xz -dc --single-stream ||
  try '\xFD7zXZ\x00' busybox xzcat ||
  try '\x28\xB5\x2F\xFD' zstd -dcq ||
  try '\x02\x21\x4c\x18' lz4 -dcq ||
  try '\x1f\x8b\x08' gzip -dc
