#!/usr/bin/env python3
"""Makes the device tree that Xen boots from: QEMU's own plus Dom0 and dom0less guests.

usage: mktree.py --run DIR --cpu CPU --mem MB --smp N [--qemu QEMU] --xen-args ARGS GUEST...
  GUEST  name:kernel:initrd:vcpus:MB:arguments; the first one is Dom0 (its vcpus and MB are said in ARGS)

Writes DIR/target.dtb, and DIR/target.load: one QEMU argument a line that puts the guests' files into RAM.
"""
import argparse
import os
import subprocess
import sys

RAM = 0x4000_0000
# QEMU puts the tree at min(RAM / 2, 128 MiB) into RAM, Xen copies itself high: the guests' files go between.
FIRST_FILE = RAM + 0x200_0000
STEP = 0x20_0000

arguments = argparse.ArgumentParser(usage=__doc__)
arguments.add_argument("--run", required=True)
arguments.add_argument("--cpu", required=True)
arguments.add_argument("--mem", required=True, type=int)
arguments.add_argument("--smp", required=True)
arguments.add_argument("--qemu", default="qemu-system-aarch64")
arguments.add_argument("--xen-args", required=True)
arguments.add_argument("guests", nargs="+")
asked = arguments.parse_args()

placed = {}  # file -> (address, size); twins share one
load = []
free = FIRST_FILE


def place(file):
    """The address and size of a file in RAM, loaded there once."""
    global free
    if file not in placed:
        size = os.path.getsize(file)
        placed[file] = (free, size)
        load.extend(["-device", "loader,file=%s,addr=%#x,force-raw=on" % (file.replace(",", ",,"), free)])
        free = (free + size + STEP - 1) // STEP * STEP
    return placed[file]


def module(kind, file, more=""):
    address, size = place(file)
    return 'module@%x { compatible = "multiboot,%s", "multiboot,module"; reg = <0x0 %#x 0x0 %#x>; %s };\n' % (
        address, kind, address, size, more)


chosen = '#address-cells = <2>; #size-cells = <2>;\nxen,xen-bootargs = "%s";\n' % asked.xen_args
for index, guest in enumerate(asked.guests):
    name, kernel, initrd, vcpus, megabytes, boot = guest.split(":", 5)
    if index == 0:
        chosen += 'xen,dom0-bootargs = "%s";\n' % boot
        chosen += module("kernel", kernel) + module("ramdisk", initrd)
    else:
        # `no-xenstore` gives the guest a hypervisor node, hence /sys/hypervisor, without a xenstored in Dom0.
        chosen += '%s { compatible = "xen,domain"; #address-cells = <2>; #size-cells = <2>;\n' % name
        chosen += 'cpus = <%s>; memory = <0x0 %#x>; vpl011; xen,enhanced = "no-xenstore";\n' % (
            vcpus, int(megabytes) * 1024)
        chosen += module("kernel", kernel, 'bootargs = "%s";' % boot) + module("ramdisk", initrd) + "};\n"

if free > RAM + (asked.mem << 20):
    sys.exit("mktree: the guests' files end at %#x, past the end of RAM" % free)

plain = os.path.join(asked.run, "plain.dtb")
# Without `dtb-randomness=off` QEMU puts a KASLR seed into the tree, which Xen hands on to Dom0 alone: twins would differ.
machine = "virt,virtualization=on,gic-version=3,dtb-randomness=off,dumpdtb=" + plain
subprocess.run([asked.qemu, "-M", machine, "-cpu", asked.cpu, "-smp", asked.smp, "-m", str(asked.mem),
                "-display", "none", "-nodefaults"],
               check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
source = subprocess.run(["dtc", "-q", "-I", "dtb", "-O", "dts", plain], check=True, capture_output=True, text=True).stdout
source += "/ { chosen {\n%s}; };\n" % chosen
subprocess.run(["dtc", "-q", "-I", "dts", "-O", "dtb", "-o", os.path.join(asked.run, "target.dtb"), "-"],
               check=True, input=source, text=True)
with open(os.path.join(asked.run, "target.load"), "w") as out:
    out.write("\n".join(load) + "\n")
