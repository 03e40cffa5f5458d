#!/usr/bin/env bash
# test.sh [all|unit|kernel|guest]: the tests, and everything that they need on a fresh Debian or Ubuntu with Node 20.
#
#   unit     without root and without a kernel
#   kernel   on the running kernel, in a throw-away host: own network, mounts, processes and /run; the engine ip runs a
#            selection (TEST_KERNEL=all: everything)
#   guest    for what many kernels lack (GRE, say): directly where the running kernel has it, otherwise in a small
#            virtual machine, where the engine ip runs a selection (TEST_EMULATED=all: everything)
#   all      packages, build, lint, types, then the three; ends at the first stage that fails
#
# The kernel and guest tiers run once with each engine, netlink and ip (TOPOWEAVE_ENGINE); set TEST_ENGINES to one of them
# for only that.
#
# The last lines are one for each tier, and `N passed, N failed` over all of them.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PATH:/usr/sbin:/sbin
# npm may need it, but each start of Node would read and parse it: 30 ms and more.
certificates=${NODE_EXTRA_CA_CERTS:-}
unset NODE_EXTRA_CA_CERTS

wanted=${1:-all}
case $wanted in
all | unit | kernel | guest) ;;
*)
  echo 'usage: test.sh [all|unit|kernel|guest]' >&2
  exit 64
  ;;
esac

work=$(mktemp -d)
summary=()
passed=0
failed=0
current=

finish() {
  local code=$?
  if ((code != 0)) && [[ -n $current ]]; then
    printf '\ntest.sh: stage "%s" failed (exit code %s)\n' "$current" "$code"
    # A stage without tests, or one that could not even start them, has failed all the same.
    if [[ $current != tier:* ]]; then failed=$((failed + 1)); fi
  fi
  local pid
  for pid in "${beside[@]}"; do kill -TERM "$pid" 2>/dev/null || true; done
  wait
  rm -rf "$work"
  echo
  if ((${#summary[@]})); then printf '%s\n' "${summary[@]}"; fi
  echo "$passed passed, $failed failed"
  exit "$code"
}
trap finish EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

stage() { # name, command...
  current=$1
  printf '\n== %s\n' "$current"
  shift
  "$@"
  current=
}

install() {
  env ${certificates:+NODE_EXTRA_CA_CERTS="$certificates"} bash scripts/install.sh "$@"
}

# Process 1 of the throw-away host. It waits beside the command: process 1 ignores the signals that it does not handle.
readonly set_up='
set -e
mount -t tmpfs -o mode=755,nosuid,nodev tmpfs /run
mkdir -p /run/netns
mkdir -p -m 1777 /run/lock
mkdir -p /run/.etc/upper /run/.etc/work
if ! mount -t overlay -o lowerdir=/etc,upperdir=/run/.etc/upper,workdir=/run/.etc/work overlay /etc 2>/dev/null; then
  cp -a /etc/. /run/.etc/upper 2>/dev/null || :
  mount --bind /run/.etc/upper /etc
fi
mount -t sysfs sysfs /sys 2>/dev/null || :
ip link set lo up
set +e
"$@"
exit "$?"
'

in_throw_away_host() {
  local user=()
  if ((EUID != 0)) || ! unshare --net --mount true 2>/dev/null; then user=(--user --map-root-user); fi
  exec unshare ${user[@]+"${user[@]}"} --net --mount --pid --fork --kill-child --mount-proc -- sh -c "$set_up" throw-away-host "$@"
}

in_guest() {
  GUEST_TIMEOUT=${GUEST_TIMEOUT:-3300} exec bash scripts/guest/run.sh "$@"
}

# What runs beside this script, one for each core: by label, the process; its output and its exit code are in files.
declare -A beside=()

start_beside() { # label, how to run it, command...
  local output=$work/${1//\//-}.output signal=TERM
  # unshare(1) blocks the others, and takes the host along with itself.
  if [[ $2 == in_throw_away_host ]]; then signal=KILL; fi
  : >"$output"
  (
    trap 'kill -s "$signal" "$running"; wait "$running"; exit 143' TERM
    ("${@:2}") </dev/null >"$output" 2>&1 &
    running=$!
    code=0
    wait "$running" || code=$?
    echo "$code" >"$output.code"
  ) &
  beside[$1]=$!
}

# What it prints, until it ends.
followed() {
  local output=$work/${label//\//-}.output
  tail -n +1 -f --pid="${beside[$label]}" "$output"
  return "$(<"$output.code")"
}

directly() {
  "$@"
}

# Sets `words`: how vitest is started for a tier and an engine.
words_of() { # name, engine, file...
  words=(env ${2:+TOPOWEAVE_ENGINE=$2} node node_modules/vitest/vitest.mjs run --project "$1"
    --reporter=default --reporter=json --outputFile.json="$work/$1-$2.json" "${@:3}")
}

tier() { # name, how to run it, the engine, a remark
  local name=$1 how=$2 engine=${3:-} code=0 counts words
  local label=$name${engine:+/$engine}
  local json=$work/$name-$engine.json log=$work/$name-$engine.log
  words_of "$name" "$engine"
  current=tier:$label
  printf '\n== tests: %s%s\n' "$label" "${4:+ ($4)}"
  "$how" "${words[@]}" </dev/null 2>&1 | tee "$log" || code=$?
  counts=$(count "$json" "$log")
  local ok bad skipped
  read -r ok bad skipped <<<"$counts"
  # A file that cannot be loaded has no tests to count.
  if ((code != 0 && bad == 0)); then bad=1; fi
  if ((code == 0 && bad > 0)); then code=1; fi
  if ((code == 0 && ok == 0)); then
    echo "test.sh: no test of the tier \"$label\" has run"
    bad=1
    code=1
  fi
  if ((skipped > 0)); then
    echo "test.sh: $skipped tests of the tier \"$label\" were skipped"
    if [[ ${CI:-} == true ]]; then
      echo 'test.sh: in CI none may be'
      bad=$((bad + skipped))
      code=1
    fi
  fi
  passed=$((passed + ok))
  failed=$((failed + bad))
  summary+=("$(printf '%-15s %s passed, %s failed, %s skipped' "$label:" "$ok" "$bad" "$skipped")")
  if ((code != 0)); then exit 1; fi
  current=
}

# Prints "PASSED FAILED SKIPPED": from vitest's JSON, or, where it stayed inside of the guest, from the last line of its
# report that begins with "Tests".
count() {
  # shellcheck disable=SC2016  # JavaScript, not the shell's
  node -e '
    const { existsSync, readFileSync } = require("node:fs");
    const [json, log] = process.argv.slice(1);
    if (existsSync(json)) {
      const report = JSON.parse(readFileSync(json, "utf8"));
      const skipped = report.numPendingTests + (report.numTodoTests ?? 0);
      console.log(report.numPassedTests, report.numFailedTests, skipped);
    } else {
      const text = readFileSync(log, "utf8").replace(/\u001b\[[0-9;]*m/g, "");
      const line = text.split(/\r?\n/).filter((line) => /^\s*Tests\s+\S/.test(line)).at(-1) ?? "";
      const number = (word) => Number(new RegExp(`(\\d+) ${word}`).exec(line)?.[1] ?? 0);
      console.log(number("passed"), number("failed"), number("skipped") + number("todo"));
    }
  ' "$1" "$2"
}

read -ra engines <<<"${TEST_ENGINES:-netlink ip}"

# What these files test is the same code with both engines (the order of commands that stop, what is given back, output, the
# numbers of large labs), and they take longest: with the engine ip only where TEST_KERNEL=all.
readonly once='adopt-losses adopt-stopped attack generate large-labs ospf streams'

kernel_files() { # engine
  local file name
  if [[ $1 != ip || ${TEST_KERNEL:-} == all ]]; then return; fi
  for file in test/kernel/*.test.ts; do
    name=$(basename "$file" .test.ts)
    if [[ " $once " != *" $name "* ]]; then printf '%s ' "$file"; fi
  done
}

# With each engine in a host of its own, side by side: the tests wait more than they compute.
kernel_tier() {
  local engine words files
  for engine in "${engines[@]}"; do
    read -ra files <<<"$(kernel_files "$engine")"
    words_of kernel "$engine" "${files[@]}"
    start_beside "kernel/$engine" in_throw_away_host "${words[@]}"
  done
  for engine in "${engines[@]}"; do
    read -ra files <<<"$(kernel_files "$engine")"
    tier kernel followed "$engine" "${files[*]:+without $once; all with TEST_KERNEL=all}"
  done
}

# Starting a program takes an emulated machine 0.1 s and more, and the engine ip starts some for each namespace: in an hour it
# would not be through with the tier. It is tested in full on the running kernel; here, an example of every kind.
emulated_files() { # engine
  if [[ $1 == ip && ${TEST_EMULATED:-} != all ]]; then echo test/guest/{examples,changes,tier}.test.ts; fi
}

guest_tier() {
  local engine files words remark='in a virtual machine: the running kernel lacks some kinds'
  if bash scripts/guest/probe.sh; then
    for engine in "${engines[@]}"; do
      tier guest in_throw_away_host "$engine" 'the running kernel has all kinds'
    done
    return
  fi
  # An emulated machine keeps about one core busy, so they run side by side.
  for engine in "${engines[@]}"; do
    read -ra files <<<"$(emulated_files "$engine")"
    words_of guest "$engine" "${files[@]}"
    start_beside "guest/$engine" in_guest "${words[@]}"
  done
  for engine in "${engines[@]}"; do
    read -ra files <<<"$(emulated_files "$engine")"
    tier guest followed "$engine" "$remark${files[*]:+; only ${files[*]}; all with TEST_EMULATED=all}"
  done
}

case $wanted in
unit)
  stage modules install modules
  stage generate npm run -s generate
  ;;
kernel | guest)
  parts=(runtime services)
  if [[ $wanted == guest ]]; then parts=(test); fi
  stage install install "${parts[@]}" modules
  stage build npm run -s build
  ;;
all)
  stage install install test modules
  stage build npm run -s build
  stage lint npm run -s lint
  stage types npm run -s types
  ;;
esac
if [[ $wanted == all || $wanted == unit ]]; then tier unit directly; fi
if [[ $wanted == all || $wanted == kernel ]]; then kernel_tier; fi
if [[ $wanted == all || $wanted == guest ]]; then guest_tier; fi
