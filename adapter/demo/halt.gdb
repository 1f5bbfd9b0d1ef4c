# Brings the running target to the halt that is saved in halt.core.zst, and leaves it there:
#
#   pCPU 0   in blinky, vCPU 0, storing a tilt sample (sample_store)
#   pCPU 1   in the hypervisor, which answers courier's HYPERCALL_TICKS (ticks_total)
#   no core  blinky's vCPU 1, blocked in WFI
#   hvtrace  the last tenth of a second, whole: the rings are emptied first, and are not full again
#
# save-halt.sh runs it. DEMO is the folder of this file, SOCKET QEMU's gdb stub.
set pagination off
set confirm off
python gdb.execute("cd " + __import__("os").environ["DEMO"])
file hypervisor.elf
add-symbol-file blinky.elf
python gdb.execute("target remote " + __import__("os").environ["SOCKET"])
set variable hvtrace_rings[0].consumed = hvtrace_rings[0].produced
set variable hvtrace_rings[1].consumed = hvtrace_rings[1].produced
hbreak ring.c:14
commands
  silent
end
set $there = 0
set $samples = 0
while !$there
  continue
  set $samples = $samples + 1
  if $samples > 200 && $_thread == 1 && ($VTTBR_EL2 >> 48) == 1 && sample->kind == SENSOR_TILT
    set $there = 1
  end
end
delete
hbreak ticks_total
set scheduler-locking on
thread 2
continue
delete
print hvtrace_rings[0].produced - hvtrace_rings[0].consumed
print hvtrace_rings[0].dropped + hvtrace_rings[1].dropped
info threads
thread apply all backtrace
disconnect
