#!/bin/sh
# Prints the path of a checked Deno program, fetching it first where it is missing. Messages go to stderr.
#
#   deno.sh [--dir DIR]      cache folder (default: $KWAAI_CACHE, else ${XDG_CACHE_HOME:-~/.cache}/kwaainet)
#
# Ways, in this order: a copy fetched earlier; Deno's own download, checked against the sum published beside it; the Python
# package `deno` through pip; the npm package `@deno/linux-*-glibc` through npm. The last two are checked against the sums
# below. Exit: 0 ok, 2 usage, 3 no way to fetch it, 5 a sum differs.
set -eu

V=2.9.8
NPM_V=2.9.6
say() { printf 'deno.sh: %s\n' "$*" >&2; }
die() { rc=$1; shift; say "$*"; exit "$rc"; }

root=${KWAAI_CACHE:-${XDG_CACHE_HOME:-${HOME:-/tmp}/.cache}/kwaainet}
while [ $# -gt 0 ]; do case "$1" in
  --dir) [ $# -ge 2 ] || die 2 "--dir needs a folder"; root=$2; shift 2 ;;
  -h|--help) sed -n '2,9s/^# \{0,1\}//p' "$0"; exit 0 ;;
  *) die 2 "unknown argument: $1 (see --help)" ;;
esac; done

[ "$(uname -s)" = Linux ] || die 2 "Linux only; elsewhere install Deno $V from deno.com"
case "$(uname -m)" in
  x86_64) arch=x86_64; npm_name=@deno/linux-x64-glibc
    sum_pip=368bca08999e02c6911b8f248167b582276b1f547db5712b6e736d7eda1dbda7
    sum_npm=bceb5b6a6239b0b010418406d8c77a508f67cf4337d94288f1c19fe71304aab0 ;;
  aarch64|arm64) arch=aarch64; npm_name=@deno/linux-arm64-glibc
    sum_pip=b484f780e5149ca05c673f1f79f7fb466f12a2295933bdad917af4a8a5c020e8
    sum_npm=d08d392418df53f4e6e88a08909c0e1bccbf9adcead7232df72b6ad6075ec416 ;;
  *) die 2 "no Deno for this processor: $(uname -m) (x86_64 and aarch64 only)" ;;
esac

dir=$root/deno-$V; out=$dir/deno; mkdir -p "$dir"
sum() { sha256sum <"$1" | cut -d' ' -f1; }
# A copy is good when it has the sum that was checked when it came.
if [ -x "$out" ] && [ -f "$out.sha256" ] && [ "$(sum "$out")" = "$(cat "$out.sha256")" ]; then printf '%s\n' "$out"; exit 0; fi

tmp=$(mktemp -d "$dir/.get.XXXXXX"); trap 'rm -rf "$tmp"' EXIT
keep() { # keep PROGRAM: takes a checked program into the cache
  chmod 755 "$1"; "$1" --version >&2 || die 3 "the fetched Deno does not start here (glibc 2.27 or newer is needed; musl systems cannot run it)"
  sum "$1" >"$out.sha256.new"; mv -f "$1" "$out"; mv -f "$out.sha256.new" "$out.sha256"; printf '%s\n' "$out"; exit 0
}

official() {
  command -v curl >/dev/null && command -v unzip >/dev/null || return 1
  url=https://dl.deno.land/release/v$V/deno-$arch-unknown-linux-gnu.zip
  curl -fsSL --connect-timeout 5 -o "$tmp/sum" "$url.sha256sum" 2>/dev/null || return 1
  say "fetching Deno $V from Deno's own site"
  curl -fL --connect-timeout 5 -o "$tmp/deno.zip" "$url" >&2 || return 1
  [ "$(sum "$tmp/deno.zip")" = "$(cut -d' ' -f1 "$tmp/sum")" ] || die 5 "the sum of Deno's own download differs from the published one"
  (cd "$tmp" && unzip -oq deno.zip deno) && keep "$tmp/deno"
}
by_pip() {
  py=${PYTHON:-python3}; "$py" -c 'import pip' 2>/dev/null || return 1
  say "fetching Deno $V with pip (Python package deno, about 40 MB)"
  "$py" -m pip download --no-deps --only-binary=:all: --dest "$tmp" "deno==$V" >&2 || return 1
  "$py" - "$tmp" <<'PY' || return 1
import glob, shutil, sys, zipfile
wheel, = glob.glob(sys.argv[1] + "/deno-*.whl")
with zipfile.ZipFile(wheel) as z:
    name, = [n for n in z.namelist() if n.endswith("/scripts/deno")]
    with z.open(name) as source, open(sys.argv[1] + "/deno", "wb") as target: shutil.copyfileobj(source, target, 1 << 20)
PY
  [ "$(sum "$tmp/deno")" = "$sum_pip" ] || die 5 "the sum of Deno in the Python package is $(sum "$tmp/deno"), wanted $sum_pip"
  keep "$tmp/deno"
}
by_npm() {
  command -v npm >/dev/null || return 1
  say "fetching Deno $NPM_V with npm (package $npm_name, about 40 MB)"
  (cd "$tmp" && npm pack --silent "$npm_name@$NPM_V" >/dev/null && tar xzf ./*.tgz package/deno) || return 1
  [ "$(sum "$tmp/package/deno")" = "$sum_npm" ] || die 5 "the sum of Deno in the npm package is $(sum "$tmp/package/deno"), wanted $sum_npm"
  keep "$tmp/package/deno"
}
official || by_pip || by_npm || die 3 "cannot fetch Deno $V: Deno's own site is out of reach, and neither pip nor npm could bring it. Install python3-pip or npm, or put a deno at $out"
