# Sourced by `boot` and `restore`: starts QEMU's machine in the foreground, in place of the calling shell, so that
# the process the caller started is QEMU itself and can be ended by its id.
#
#   RUN/con.sock, con.log   the serial console of Xen and all guests
#   RUN/gdb.sock            the gdb stub (GDB_TCP=PORT: on 127.0.0.1:PORT instead)
#   RUN/qmp.sock            QEMU's monitor
start_qemu() { # RUN QEMU-ARGUMENTS...
  local run=$1 gdb with_parent=()
  shift
  gdb="socket,id=gdb,path=$run/gdb.sock,server=on,wait=off"
  [ -z "${GDB_TCP:-}" ] || gdb="socket,id=gdb,host=127.0.0.1,port=$GDB_TCP,server=on,wait=off,nodelay=on"
  # RAM_FILE: RAM is that file, physical address 0x40000000 its first byte.
  [ -z "${RAM_FILE:-}" ] || set -- -object "memory-backend-file,id=ram,size=${MEM}M,mem-path=$RAM_FILE,share=on" \
    -machine memory-backend=ram "$@"
  # END_WITH_PARENT=1: QEMU is killed when the thread that started it ends, however it ends.
  [ -z "${END_WITH_PARENT:-}" ] || with_parent=(setpriv --pdeathsig KILL)
  exec "${with_parent[@]}" "${QEMU:-qemu-system-aarch64}" -M virt,virtualization=on,gic-version=3 -cpu "$CPU" -smp "$SMP" \
    -m "$MEM" -display none -nodefaults \
    -chardev "socket,id=console,path=$run/con.sock,server=on,wait=off,logfile=$run/con.log" -serial chardev:console \
    -chardev "socket,id=monitor,path=$run/qmp.sock,server=on,wait=off" -mon chardev=monitor,mode=control \
    -chardev "$gdb" -gdb chardev:gdb "$@"
}
