// Written by scripts/schemas.mjs from schemas/groups.schema.json.

/**
 * Body of `hvdap/groups`.
 */
export interface Groups {
  /**
   * Every thread group of the machine, the hypervisor's first.
   */
  groups: Group[];
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
