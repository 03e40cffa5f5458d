#!/usr/bin/env bash
# is-static.sh PROGRAM: whether a program is linked to no library, by its own headers: an ELF file that asks for no
# interpreter has no segment of the type PT_INTERP (elf(5)). Needs od; ldd(1) would start a stranger's program.
set -euo pipefail
file=$(readlink -f -- "$1")

number() { # offset, bytes
  od -An -v -tu"$2" -j "$1" -N "$2" "$file" | tr -d ' '
}

[[ $(od -An -v -tx1 -N 5 "$file" | tr -d ' ') == 7f454c4602 ]] || exit 1 # 64 bits
start=$(number 32 8)
size=$(number 54 2)
count=$(number 56 2)
for ((at = start; count > 0; at += size, count -= 1)); do
  if (($(number "$at" 4) == 3)); then exit 1; fi
done
