#!/usr/bin/env bash
# Exits 0 when the running kernel can make the links the guest tier is for, tried in a throw-away network namespace.
set -euo pipefail
PATH=$PATH:/usr/sbin:/sbin
unshare=(unshare --net)
if ((EUID != 0)); then unshare=(unshare --user --map-root-user --net); fi
"${unshare[@]}" sh -euc '
  ip link add tw1 type gre local 192.0.2.1 remote 192.0.2.2
  ip link add tw2 type gretap local 192.0.2.1 remote 192.0.2.3
  ip link add tw3 type ip6gre local 2001:db8::1 remote 2001:db8::2
  ip link add tw4 type ip6gretap local 2001:db8::1 remote 2001:db8::3
' >/dev/null 2>&1
