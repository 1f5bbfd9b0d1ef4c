#!/bin/sh
# Takes the saved halt again, after a rebuild: save-halt.sh HVDAP, with HVDAP the program built. Needs QEMU and gdb-multiarch.
set -eu
DEMO=$(cd "$(dirname "$0")" && pwd)
hvdap=$(realpath "$1")
run=$(mktemp -d)
SOCKET=$run/gdb.sock
export DEMO SOCKET

cd "$run"
"$DEMO/run.sh" gdb.sock </dev/null >serial &
qemu=$!
trap 'kill $qemu; rm -rf "$run"' EXIT
sleep 2 # past boot
gdb-multiarch -nx -q -batch -x "$DEMO/halt.gdb" >gdb.log 2>&1 || { cat gdb.log >&2; exit 1; }
# The halt remembers its source by name: one that says nothing of this machine.
"$hvdap" snapshot gdb:unix:/proc/self/cwd/gdb.sock -o "$DEMO/halt.core.zst"
