#!/usr/bin/env bash
# install.sh runtime|services|test|modules...: installs what this machine lacks, and nothing that it has.
#
#   runtime   what topoweave itself needs: iproute2, nftables, ping, unshare and setpriv
#   services  what some examples run: dnsmasq, FRR, busybox
#   test      both, and what the tests need: Open vSwitch, and a small virtual machine for what the running kernel
#             cannot do
#   modules   the Node packages (npm ci), when there are none or the lock file is newer
#
# Needs Node 20 and npm. Packages are installed on Debian and Ubuntu, with sudo when this is not root.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PATH:/usr/sbin:/sbin

fail() {
  echo "install: $1" >&2
  exit 69
}

as_root() {
  if ((EUID == 0)); then
    "$@"
  elif command -v sudo >/dev/null; then
    sudo "$@"
  else
    fail "run this as root, or install by hand: ${missing[*]}"
  fi
}

missing=()
need() { # package, a command that it brings
  command -v "$2" >/dev/null || missing+=("$1")
}

need_runtime() {
  need iproute2 ip
  need nftables nft
  need iputils-ping ping
  need util-linux unshare
  need util-linux setpriv
}

need_services() { # the package of busybox
  need dnsmasq-base dnsmasq
  need "${1:-busybox}" busybox
  [[ -x /usr/lib/frr/ospfd ]] || missing+=(frr)
}

need_test() {
  need_runtime
  # The guest starts with it, so it is the static one; of the two packages only one can be there.
  need_services busybox-static
  need procps sysctl
  need wireguard-tools wg
  need iptables iptables
  need kmod modprobe
  need openvswitch-switch ovs-vswitchd
  need qemu-system-x86 qemu-system-x86_64
  if command -v busybox >/dev/null; then
    bash scripts/guest/is-static.sh "$(command -v busybox)" && busybox --list | grep -qx switch_root ||
      missing+=(busybox-static)
  fi
  has_guest_kernel || missing+=("$(kernel_package)")
}

# A kernel with its modules, 9p among them: the guest reads this machine's files with it. The cloud kernel has none.
has_guest_kernel() {
  local kernel release
  for kernel in /boot/vmlinuz-*; do
    release=${kernel#/boot/vmlinuz-}
    if [[ -e $kernel && $release != *cloud* && -d /lib/modules/$release/kernel/fs/9p ]]; then return 0; fi
  done
  return 1
}

kernel_package() {
  local id
  id=$(. /etc/os-release && echo "${ID:-}")
  if [[ $id == ubuntu ]]; then echo linux-image-generic; else echo linux-image-amd64; fi
}

install_packages() {
  local try
  if ((${#missing[@]} == 0)); then return 0; fi
  command -v apt-get >/dev/null || fail "this is neither Debian nor Ubuntu; install what brings: ${missing[*]}"
  echo "install: ${missing[*]}" >&2
  for try in 1 2 3 4; do
    if as_root apt-get -o DPkg::Lock::Timeout=120 -qq update >&2; then break; fi
    ((try < 4)) || fail 'apt-get update failed four times'
    sleep $((try * 5))
  done
  without_daemons
  local code=0
  as_root env DEBIAN_FRONTEND=noninteractive apt-get -o DPkg::Lock::Timeout=120 -o Acquire::Retries=3 -qq -y \
    --no-install-recommends install "${missing[@]}" </dev/null >&2 || code=$?
  with_daemons
  return "$code"
}

# The tests start Open vSwitch and FRR themselves, in their throw-away hosts: installing must not start them on this machine
# (policy-rc.d of invoke-rc.d(8); 101 says no to everything).
policy=/usr/sbin/policy-rc.d
made_policy=0
without_daemons() {
  if [[ -e $policy || " ${missing[*]} " != *(' openvswitch-switch '|' frr ')* ]]; then return 0; fi
  printf '#!/bin/sh\nexit 101\n' | as_root install -m 755 /dev/stdin "$policy"
  made_policy=1
}

with_daemons() {
  if ((made_policy)); then as_root rm -f "$policy"; fi
  made_policy=0
}
trap with_daemons EXIT

install_modules() {
  command -v npm >/dev/null || fail 'Node 20 with npm is needed; see https://nodejs.org'
  (($(node -p 'process.versions.node.split(".")[0]') >= 20)) || fail "Node 20 is needed, this is $(node --version)"
  local installed=node_modules/.package-lock.json
  if [[ -e $installed && ! package-lock.json -nt $installed ]]; then return 0; fi
  echo 'install: npm ci' >&2
  npm ci --no-audit --no-fund </dev/null >&2
}

(($#)) || set -- usage
for what in "$@"; do
  missing=()
  case $what in
  runtime)
    need_runtime
    install_packages
    ;;
  services)
    need_services
    install_packages
    ;;
  test)
    need_test
    install_packages
    ;;
  modules) install_modules ;;
  *)
    echo 'usage: install.sh runtime|services|test|modules...' >&2
    exit 64
    ;;
  esac
done
