#!/bin/sh
# The two commands of the README, and the one that stops what the first started.
#
#   sh scripts/setup.sh run  [--no-question]   fetch what is missing, start a node that serves the demo model on a private
#                                              network, ask it one question, leave it running
#   sh scripts/setup.sh stop                   stop that node (exit 0 also when none runs)
#   sh scripts/setup.sh test [SUITE…]          fetch what the tests need and run them all, or the suites named
#
# Everything fetched lies in one folder: $KWAAI_CACHE, else ${XDG_CACHE_HOME:-~/.cache}/kwaainet. Nothing else is changed,
# except that `test`, as root on a Debian system, installs packages: for the real peers, the ARM emulator, a browser, a firewall.
set -eu

here=$(cd "$(dirname "$0")/.." && pwd)
export KWAAI_CACHE="${KWAAI_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/kwaainet}"
export DENO_TLS_CA_STORE="${DENO_TLS_CA_STORE:-system}" RUST_BACKTRACE=0 NO_UPDATE_CHECK=1 DENO_NO_UPDATE_CHECK=1
say() { printf '%s\n' "$*" >&2; }
die() { say "setup.sh: $*"; exit 1; }
usage() { sed -n '2,10s/^# \{0,1\}//p' "$0" >&2; exit "$1"; }

state=$KWAAI_CACHE/demo
pid_file=$state/node.pid
log=$state/node.log
events=$state/node.events

prepare() { # Deno, the program's dependencies, native libraries
  mkdir -p "$KWAAI_CACHE" "$state"
  say "Everything fetched lies in $KWAAI_CACHE"
  DENO=$(sh "$here/scripts/deno.sh" --dir "$KWAAI_CACHE"); export DENO
  say "Fetching the program's dependencies"
  (cd "$here" && "$DENO" install --frozen --quiet --entrypoint main.ts scripts/native_libraries.ts >&2) ||
    die "cannot fetch the dependencies: see the lines above; a proxy's certificate must be known to the system"
  (cd "$here" && "$DENO" run -A scripts/native_libraries.ts --arch "$(uname -m)" >&2) ||
    say "No native libraries: the node will compute with the slow reference engine"
}

# Whether the process of the pid file is our node and lives.
alive() {
  [ -f "$pid_file" ] || return 1
  pid=$(cat "$pid_file")
  kill -0 "$pid" 2>/dev/null && tr '\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null | grep -q "main.ts start"
}

field() { # field EVENT NAME: a text or number field of the last such event
  grep "\"event\":\"$1\"" "$events" 2>/dev/null | tail -n 1 | sed -n "s/.*\"$2\":\"\{0,1\}\([^\",}]*\).*/\1/p"
}

start_node() { # start_node MODEL API
  : >"$events"
  cd "$here"
  nohup "$DENO" run -A main.ts start --network private --model "$1" --name demo --listen /ip4/127.0.0.1/tcp/0 \
    --api "$2" --data-dir "$state/data" --json >"$events" 2>"$log" </dev/null &
  echo $! >"$pid_file"
  waited=0
  while [ -z "$(field ready api)" ]; do
    alive || return 1
    [ "$waited" -lt 180 ] || die "the node is not ready after 3 minutes: see $log"
    sleep 1; waited=$((waited + 1))
    [ $((waited % 5)) -ne 0 ] || say "  … $waited s: $(tail -n 1 "$events" | sed -n 's/.*"event":"\([a-z]*\)".*/\1/p')"
  done
}

run() {
  question=yes
  while [ $# -gt 0 ]; do case "$1" in
    --no-question) question=; shift ;;
    *) say "setup.sh: unknown argument $1"; usage 2 ;;
  esac; done
  prepare
  model=$(sh "$here/scripts/demo_model.sh") || die "cannot fetch the demo model: see the lines above"
  if alive; then say "The demo node is running already (pid $(cat "$pid_file"))"
  else
    say "Starting a node that serves $(basename "$model") on a private network"
    start_node "$model" 127.0.0.1:8080 || { say "Port 8080 may be in use, trying a free one"; start_node "$model" 127.0.0.1:0; } ||
      { tail -n 5 "$log" >&2; die "the node did not start: see $log"; }
  fi
  ask="$DENO run -A $here/main.ts generate --data-dir $state/data --model $model --max-tokens 24"
  if [ -n "$question" ]; then
    say 'Asking: "The capital of France is"'
    answer=$($ask --json "The capital of France is") || die "the question failed: see the line above and $log"
    kind=$("$DENO" run -A "$here/main.ts" energy --json --data-dir "$state/data" 2>/dev/null |
      sed -n 's/.*"node":{[^}]*"kind":"\([a-z]*\)".*/\1/p') || kind=
    printf '%s\n' "$answer" | "$DENO" run "$here/scripts/show_answer.ts" "$kind"
  fi
  say ""
  say "The node is running: $(field ready api)   (pid $(cat "$pid_file"), log $log)"
  say "Ask again:  $ask \"Once upon a time\""
  say "Stop it:    sh $here/scripts/setup.sh stop"
}

stop() {
  alive || { say "No demo node is running"; rm -f "$pid_file"; exit 0; }
  pid=$(cat "$pid_file"); kill -TERM "$pid"
  waited=0
  while kill -0 "$pid" 2>/dev/null; do
    [ "$waited" -lt 15 ] || { kill -KILL "$pid" 2>/dev/null || true; break; }
    sleep 1; waited=$((waited + 1))
  done
  rm -f "$pid_file"; say "Stopped"
}

run_tests() {
  prepare
  KWAAI_SMOLLM2=$(sh "$here/scripts/demo_model.sh") || KWAAI_SMOLLM2=
  export KWAAI_SMOLLM2
  if pair=$(bash "$here/scripts/denort.sh" --dir "$KWAAI_CACHE/denort-2.6.10" --guest --env); then
    DENO_OLD=$(printf '%s\n' "$pair" | sed -n 's/^export DENO=//p'); export DENO_OLD
  else say "No Deno 2.6.10 pair: what needs it is skipped"; fi
  (cd "$here" && "$DENO" run -A scripts/native_libraries.ts --arch x86_64,aarch64 >&2) || true
  if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
    if [ ! -e /usr/aarch64-linux-gnu/lib/libc.so.6 ] || ! command -v qemu-aarch64-static >/dev/null; then
      say "Installing the ARM emulator (apt)"
      { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends qemu-user-static \
        libc6-arm64-cross libgcc-s1-arm64-cross libstdc++6-arm64-cross; } >"$KWAAI_CACHE/apt-qemu.log" 2>&1 ||
        say "Cannot install the emulator (see $KWAAI_CACHE/apt-qemu.log): its tests are skipped"
    fi
    if ! command -v nft >/dev/null; then
      say "Installing nftables (apt)"
      { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nftables; } \
        >"$KWAAI_CACHE/apt-nftables.log" 2>&1 ||
        say "Cannot install nftables (see $KWAAI_CACHE/apt-nftables.log): tests of firewalls are skipped"
    fi
    if ! command -v chromium >/dev/null; then
      say "Installing Chromium (apt)"
      { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium \
        fonts-dejavu-core; } >"$KWAAI_CACHE/apt-chromium.log" 2>&1 ||
        say "Cannot install Chromium (see $KWAAI_CACHE/apt-chromium.log): tests of the page are skipped"
    fi
    venv=$KWAAI_CACHE/peers-venv
    if [ ! -f "$venv/complete" ]; then
      say "Installing the real Hivemind and Petals peers (apt and pip, about 1 GB, some minutes)"
      { apt-get update -qq && bash "$here/tests/interop/peers/install_debian.sh" "$venv" && touch "$venv/complete"; } \
        >"$KWAAI_CACHE/peers.log" 2>&1 || say "Cannot install them (see $KWAAI_CACHE/peers.log): interop tests are skipped"
    fi
    [ ! -f "$venv/complete" ] || export KWAAI_PEERS_VENV="$venv"
  else say "Not root on a Debian system: tests against real peers and under the emulator are skipped"; fi
  meters=$KWAAI_CACHE/meters-venv
  if [ ! -f "$meters/complete" ]; then
    say "Installing Modbus, SunSpec and MQTT peers (pip, about 70 MB)"
    { sh "$here/tests/interop/energy/install.sh" "$meters" && touch "$meters/complete"; } >"$KWAAI_CACHE/meters.log" 2>&1 ||
      say "Cannot install them (see $KWAAI_CACHE/meters.log): their tests are skipped"
  fi
  clients=$KWAAI_CACHE/clients-venv
  if ! cmp -s "$here/tests/interop/clients/install.sh" "$clients/complete"; then # other clients than last time
    say "Installing clients of the local API (pip and npm, about 500 MB)"
    { sh "$here/tests/interop/clients/install.sh" "$clients" "$KWAAI_CACHE/llama" &&
      cp "$here/tests/interop/clients/install.sh" "$clients/complete"; } >"$KWAAI_CACHE/clients.log" 2>&1 ||
      say "Cannot install them (see $KWAAI_CACHE/clients.log): their tests are skipped"
  fi
  cd "$here" && "$DENO" run -A scripts/ci.ts "$@"
}

[ $# -ge 1 ] || usage 2
verb=$1; shift
case "$verb" in
  run) run "$@" ;;
  stop) stop ;;
  test) run_tests "$@" ;;
  -h|--help|help) usage 0 ;;
  *) say "setup.sh: unknown command $verb"; usage 2 ;;
esac
