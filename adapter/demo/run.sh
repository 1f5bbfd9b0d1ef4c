#!/bin/sh
# Starts the embedded target under QEMU: serial line here, gdb stub at the Unix socket $1 (default ./gdb.sock).
# More arguments go to QEMU: -S waits for the debugger.
set -eu
demo=$(cd "$(dirname "$0")" && pwd)
socket=${1-gdb.sock}
[ $# -gt 0 ] && shift
exec "${QEMU-qemu-system-aarch64}" \
    -machine virt,virtualization=on,gic-version=3,dtb-randomness=off -cpu cortex-a57 -smp 2 -m 64 \
    -display none -monitor none -nodefaults -no-reboot -serial stdio -kernel "$demo/hypervisor.elf" \
    -chardev "socket,id=gdb,path=$socket,server=on,wait=off" -gdb chardev:gdb "$@"
