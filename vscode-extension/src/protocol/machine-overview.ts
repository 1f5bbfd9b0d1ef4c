// Written by scripts/schemas.mjs from schemas/machine-overview.schema.json.

/**
 * Body of `hvdap/machine`.
 */
export interface MachineOverview {
  /**
   * Every thread group, the hypervisor's with its pCPUs first. What is not known is left out of the threads: while the machine runs,
   * where they are is known only when this was asked at the last halt.
   */
  groups: Group[];
  /**
   * The machine is halted; else all this is as of the last halt.
   */
  halted: boolean;
  /**
   * Images of the machine file that are not found to run anywhere: not read yet, or not what a VM runs.
   */
  missing: Missing[];
  recording: Standing;
}
/**
 * The hypervisor or a VM.
 */
export interface Group {
  /**
   * How many breakpoints are installed in it, whoever set them, where that was looked up.
   */
  breakpoints?: number;
  /**
   * The hypervisor's number for a VM (Xen: domain id).
   */
  guest?: number;
  /**
   * Its number while attached; 0 is the hypervisor.
   */
  id: number;
  /**
   * The images found to run in it.
   */
  images: Image[];
  /**
   * Its name.
   */
  name: string;
  /**
   * vCPUs of a VM, pCPUs of the hypervisor.
   */
  threads: Thread[];
  /**
   * The tag in `VTTBR_EL2` of a VM.
   */
  vmid?: number;
}
/**
 * An image in a group.
 */
export interface Image {
  /**
   * Build-id in hexadecimal, empty without one.
   */
  buildId: string;
  /**
   * How it was found.
   */
  evidence: string;
  /**
   * File name.
   */
  name: string;
  /**
   * How far it was moved from its link address, in hexadecimal.
   */
  slide: string;
  /**
   * `DWARF`, `symbols only`, or `loading` until its index is built.
   */
  symbols: string;
}
/**
 * A vCPU or pCPU.
 */
export interface Thread {
  carries?: Carries;
  /**
   * `EL0` to `EL3`, where that was looked up.
   */
  el?: string;
  /**
   * The function that is, where known.
   */
  function?: string;
  /**
   * Its number while attached.
   */
  id: number;
  /**
   * Of a vCPU: nanoseconds it has been in its state, by the hypervisor's account, where it keeps one and that was looked up.
   */
  inStateNs?: number;
  /**
   * The number in that.
   */
  index: number;
  /**
   * `vCPU 1`, `pCPU 0`.
   */
  name: string;
  /**
   * The instruction it is at, in hexadecimal, where that was looked up.
   */
  pc?: string;
  /**
   * The core it is on.
   */
  pcpu?: number;
  /**
   * Where it is.
   */
  state: 'running' | 'runnable' | 'blocked' | 'offline' | 'unknown';
}
/**
 * Of a pCPU: whom it works for, where that was looked up.
 */
export interface Carries {
  /**
   * The vCPU's number.
   */
  thread?: number;
  /**
   * Who.
   */
  who: 'vcpu' | 'idle' | 'unknown';
}
/**
 * An image that runs nowhere.
 */
export interface Missing {
  /**
   * File name.
   */
  name: string;
  /**
   * Where the machine file names it: `hvdap.toml:6:9`.
   */
  place: string;
  /**
   * The VM it is named for, left out for the hypervisor.
   */
  vm?: string;
}
/**
 * How recording stands.
 */
export interface Standing {
  /**
   * Events so far.
   */
  events: number;
  /**
   * Whose trace is recorded.
   */
  format?: 'xen' | 'hvtrace';
  /**
   * Records that the hypervisor lost for want of room.
   */
  lost: number;
  /**
   * What is recorded: Xen's events by class and subclass, hvtrace's by kind.
   */
  mask: number;
  /**
   * Recording is under way.
   */
  recording: boolean;
  /**
   * The buffers are emptied while the machine runs; else at halts only, so that records may be lost in between.
   */
  whileRunning: boolean;
}
