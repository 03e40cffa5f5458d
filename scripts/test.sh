#!/usr/bin/env bash
# test.sh [all|unit|kernel|guest]: the tests, and everything that they need on a fresh Debian or Ubuntu with Node 20.
#
#   unit     without root and without a kernel
#   kernel   on the running kernel, in a throw-away host: own network, mounts, processes and /run
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
# Each start of Node would read and parse it: 30 ms and more.
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
  local machine
  for machine in "${machines[@]}"; do kill -TERM "$machine" 2>/dev/null || true; done
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
  unshare ${user[@]+"${user[@]}"} --net --mount --pid --fork --kill-child --mount-proc -- sh -c "$set_up" throw-away-host "$@"
}

# Virtual machines that run already, each on a core of its own: by engine, the process, and beside its output its exit code.
declare -A machines=()

start_machine() { # engine, command...
  local output=$work/machine-$1
  : >"$output"
  (
    trap 'kill -TERM "$machine"; wait "$machine"; exit 143' TERM
    GUEST_TIMEOUT=${GUEST_TIMEOUT:-2700} bash scripts/guest/run.sh "${@:2}" >"$output" 2>&1 &
    machine=$!
    code=0
    wait "$machine" || code=$?
    echo "$code" >"$output.code"
  ) &
  machines[$1]=$!
}

# What the machine of an engine prints, until it ends; its words are those that it was started with.
in_machine() { # env TOPOWEAVE_ENGINE=engine ...
  local engine=${2#TOPOWEAVE_ENGINE=}
  tail -n +1 -f --pid="${machines[$engine]}" "$work/machine-$engine"
  return "$(<"$work/machine-$engine.code")"
}

directly() {
  "$@"
}

tier() { # name, how to run it, the engine, a remark
  local name=$1 how=$2 engine=${3:-} code=0 counts
  local label=$name${engine:+/$engine}
  local json=$work/$name-$engine.json log=$work/$name-$engine.log
  current=tier:$label
  printf '\n== tests: %s%s\n' "$label" "${4:+ ($4)}"
  "$how" env ${engine:+TOPOWEAVE_ENGINE=$engine} node node_modules/vitest/vitest.mjs run --project "$name" \
    --reporter=default --reporter=json --outputFile.json="$json" </dev/null 2>&1 | tee "$log" || code=$?
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

kernel_tier() {
  local engine
  for engine in "${engines[@]}"; do tier kernel in_throw_away_host "$engine"; done
}

# Starting a program takes an emulated machine 0.1 s and more, and the engine ip starts some for each namespace: in an hour it
# would not be through with the tier. It is tested in full on the running kernel; here, every example of every kind.
emulated_files() { # engine
  if [[ $1 == ip && ${TEST_EMULATED:-} != all ]]; then echo test/guest/{examples,changes,tier}.test.ts; fi
}

guest_tier() {
  local engine files remark='in a virtual machine: the running kernel lacks some kinds'
  if bash scripts/guest/probe.sh; then
    for engine in "${engines[@]}"; do
      tier guest in_throw_away_host "$engine" 'the running kernel has all kinds'
    done
    return
  fi
  # An emulated machine keeps about one core busy, so they run side by side.
  for engine in "${engines[@]}"; do
    read -ra files <<<"$(emulated_files "$engine")"
    start_machine "$engine" \
      env "TOPOWEAVE_ENGINE=$engine" node node_modules/vitest/vitest.mjs run --project guest "${files[@]}"
  done
  for engine in "${engines[@]}"; do
    read -ra files <<<"$(emulated_files "$engine")"
    tier guest in_machine "$engine" "$remark${files[*]:+; only ${files[*]}; all with TEST_EMULATED=all}"
  done
}

case $wanted in
unit)
  stage modules bash scripts/install.sh modules
  stage generate npm run -s generate
  ;;
kernel | guest)
  stage install bash scripts/install.sh $([[ $wanted == guest ]] && echo test || echo runtime services) modules
  stage build npm run -s build
  ;;
all)
  stage install bash scripts/install.sh test modules
  stage build npm run -s build
  stage lint npm run -s lint
  stage types npm run -s types
  ;;
esac
if [[ $wanted == all || $wanted == unit ]]; then tier unit directly; fi
if [[ $wanted == all || $wanted == kernel ]]; then kernel_tier; fi
if [[ $wanted == all || $wanted == guest ]]; then guest_tier; fi
