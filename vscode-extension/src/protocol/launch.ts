// Written by scripts/schemas.mjs from schemas/launch.schema.json.

/**
 * Arguments of the requests `attach` and `launch`.
 */
export interface Launch {
  /**
   * The machine file, or its content as an object.
   */
  machine?: string | Machine;
  /**
   * What becomes of the machine at the end; in place of the machine file's.
   */
  onDisconnect?: 'resume' | 'halt';
  /**
   * How VMs are shown; in place of the machine file's.
   */
  presentation?: 'auto' | 'sessions' | 'flat';
  /**
   * Stay halted after attaching; in place of the machine file's.
   */
  stopOnAttach?: boolean;
  /**
   * `gdb:HOST:PORT`, `gdb:unix:PATH` or `snapshot:FILE`; in place of the machine file's `target.connect`.
   */
  target?: string;
}
/**
 * Its content.
 */
export interface Machine {
  hypervisor?: Hypervisor;
  /**
   * What becomes of the machine when the debugger leaves.
   */
  onDisconnect?: 'resume' | 'halt';
  /**
   * How VMs are shown to an editor.
   */
  presentation?: 'auto' | 'sessions' | 'flat';
  /**
   * Stay halted after attaching (the default), or let the machine run on.
   */
  stopOnAttach?: boolean;
  target?: Target;
  /**
   * The virtual machines whose programs are known. VMs not listed are found and shown all the same.
   */
  vm?: Vm[];
}
/**
 * The hypervisor.
 */
export interface Hypervisor {
  /**
   * Use the image although its build-id is not the one in memory.
   */
  force?: boolean;
  /**
   * Its ELF file with symbols: Xen's `xen-syms`.
   */
  image?: string;
  /**
   * Which one it is.
   */
  kind?: 'auto' | 'xen' | 'hvdemo' | 'none';
  /**
   * Prefixes of source paths as compiled, and the folder that stands for each here.
   */
  'source-map'?: {
    [k: string]: string | undefined;
  };
}
/**
 * How the machine is reached.
 */
export interface Target {
  /**
   * `gdb:HOST:PORT`, `gdb:unix:PATH` or `snapshot:FILE`.
   */
  connect?: string;
  /**
   * A command line that starts the machine, such as QEMU's, for the request `launch`. Started in the folder of the
   * machine file; ended by the debugger.
   */
  launch?: string[];
  /**
   * Files that hold RAM of the machine (QEMU: `memory-backend-file,share=on`), read without asking the target.
   */
  ram?: Ram[];
}
/**
 * A file that holds RAM.
 */
export interface Ram {
  /**
   * Physical address of its first byte.
   */
  address: number | string;
  /**
   * The file.
   */
  file: string;
  /**
   * Bytes.
   */
  size: number | string;
}
/**
 * A virtual machine.
 */
export interface Vm {
  /**
   * Use the image although its build-id is not the one in memory.
   */
  force?: boolean;
  /**
   * Its kernel's ELF file with symbols: Linux's `vmlinux`.
   */
  image?: string;
  /**
   * Which VM is meant. Not needed when the image can be recognised in memory.
   */
  match?:
    | {
        guest: number;
      }
    | {
        vmid: number;
      };
  /**
   * Folders searched for the ELF files of loadable kernel modules.
   */
  modules?: string[];
  /**
   * The name to show.
   */
  name: string;
  /**
   * ELF files of user programs.
   */
  programs?: string[];
  /**
   * Prefixes of source paths as compiled, and the folder that stands for each here.
   */
  'source-map'?: {
    [k: string]: string | undefined;
  };
}
