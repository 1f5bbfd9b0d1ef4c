#!/bin/sh
# Builds the embedded target from src/ with aarch64-linux-gnu-gcc.
#
#   build.sh             rebuilds the ELF files beside this script, and SOURCES.sha256
#   build.sh --out DIR   builds into DIR, touches nothing else
#   build.sh --check     0: the ELF files were built from the sources as they are; 1: they were not, or building them
#                        again gives other bytes. Without the compiler they were built with only hashes are compared.
#
# SOURCES.sha256 holds the compiler, the sources' hashes and the ELF files' hashes. CROSS_COMPILE names another prefix.
set -eu
demo=$(cd "$(dirname "$0")" && pwd)
cross=${CROSS_COMPILE-aarch64-linux-gnu-}
elves="hypervisor.elf blinky.elf courier.elf"

compiler() {
    echo "# $("${cross}gcc" --version 2>/dev/null | head -n 1), $("${cross}ld" --version 2>/dev/null | head -n 1)"
}

hashes() {
    cd "$demo"
    find src build.sh ../../schemas/hvtrace.h -type f | LC_ALL=C sort | xargs sha256sum
    sha256sum $elves
}

case ${1-} in
"") out=$demo ;;
--out) mkdir -p "$2" && out=$(cd "$2" && pwd) ;;
--check)
    if [ "$(hashes)" != "$(sed 1d "$demo/SOURCES.sha256")" ]; then
        echo "adapter/demo: the ELF files do not belong to src/: run adapter/demo/build.sh" >&2
        exit 1
    fi
    [ "$(compiler)" = "$(sed q "$demo/SOURCES.sha256")" ] || exit 0
    out=
    ;;
*)
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
    ;;
esac

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cd "$demo"

# No path of this machine gets into the files: units are named relative to demo/, whatever lies above.
flags="-std=gnu11 -Og -ffreestanding -mcpu=cortex-a57 -mgeneral-regs-only -mstrict-align -mno-outline-atomics
    -fno-omit-frame-pointer -fno-pic -fno-stack-protector -fno-asynchronous-unwind-tables -fno-unwind-tables -fno-jump-tables
    -fno-common -fno-builtin -fno-tree-loop-distribute-patterns -Wall -Wextra -Werror -Wmissing-prototypes -Wno-main
    -gno-record-gcc-switches -I../../schemas -ffile-prefix-map=../../schemas=schemas -ffile-prefix-map=$demo=demo
    -ffile-prefix-map=$(dirname "$("${cross}gcc" -print-file-name=include)")=gcc"

# link NAME DWARF SCRIPT SOURCES...
link() {
    name=$1 dwarf=$2 script=$3
    shift 3
    objects=
    for source; do
        object=$work/$name-$(echo "$source" | tr / -).o
        "${cross}gcc" $flags -g -gdwarf-"$dwarf" -Wa,-I"$work" -c "$source" -o "$object"
        objects="$objects $object"
    done
    "${cross}ld" -nostdlib -static --build-id=sha1 -z max-page-size=4096 -z noexecstack --no-warn-rwx-segments \
        -T "$script" -o "$work/$name.elf" $objects
}

g=src/guest
common="$g/vectors.S $g/mmu.c $g/runtime.c src/memory.c"
b=src/blinky
link blinky 5 $g/guest.lds $g/start.S $b/ring.c $b/sensor.c $b/lamps.c $b/main.c $common
c=src/courier
link courier 4 $g/guest.lds $g/start.S $c/parcel.c $c/route.c $c/rounds.c $c/main.c $common
for guest in blinky courier; do
    "${cross}objcopy" -O binary "$work/$guest.elf" "$work/$guest.bin"
done
hv=src/hypervisor
link hypervisor 5 $hv/hypervisor.lds $hv/start.S $hv/vectors.S $hv/main.c $hv/trap.c $hv/hypercall.c $hv/sched.c \
    $hv/vm.c $hv/stage2.c $hv/mmu.c $hv/gic.c $hv/board.c $hv/console.c src/memory.c $hv/images.S

cd "$work"
if [ -z "$out" ]; then
    for elf in $elves; do cmp "$elf" "$demo/$elf"; done
    exit 0
fi
cp $elves "$out/"
if [ "$out" = "$demo" ]; then
    { compiler; hashes; } >"$work/record"
    cp "$work/record" "$demo/SOURCES.sha256"
fi
