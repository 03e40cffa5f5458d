#!/usr/bin/env bash
# A tour of topoweave: one office, from the file to a running network and back. It runs in a throw-away host, so nothing
# of it reaches this machine's own network. Installs what is missing; needs Node 20 and npm.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."
PATH=$PATH:/usr/sbin:/sbin

if [[ ${1:-} != inside ]]; then
  bash scripts/install.sh runtime modules
  # From here on each start of Node would read and parse it.
  unset NODE_EXTRA_CA_CERTS
  npm run -s build
  exec node dist/topoweave.js sandbox -- bash scripts/demo.sh inside
fi

topoweave() { # prints the command, then runs it
  printf '$ topoweave %s\n' "$*"
  node dist/topoweave.js "$@" || {
    local code=$?
    echo "demo: topoweave $* failed (exit code $code)" >&2
    exit "$code"
  }
}

heading() {
  printf '\n── %s\n\n' "$1"
}

file=topologies/office.yaml
heading "Is $file valid?"
topoweave validate "$file"
heading 'What would be done?'
topoweave plan "$file"
heading 'Do it.'
topoweave apply "$file"
heading 'Does it work?'
topoweave check "$file"
heading 'Which labs are there, and do they match their files?'
topoweave status
topoweave status "$file"
heading 'What is there, as the kernel sees it?'
topoweave inspect "$file"
heading 'A second plan: nothing is left to do.'
topoweave plan --detailed-exitcode "$file"
heading 'Remove it.'
topoweave destroy "$file"
topoweave status
