// Written by scripts/schemas.mjs from schemas/loads.schema.json.

/**
 * One line of `hvdap trace loads --json`: what the vCPUs did in one interval.
 */
export interface Loads {
  /**
   * VMs in the hypervisor's order, then what stands for idle cores.
   */
  loads: Load[];
  /**
   * The interval, by the hypervisor's clock.
   */
  seconds: number;
}
/**
 * What a VM's vCPUs did.
 */
export interface Load {
  all: Shares;
  /**
   * The hypervisor's number for the VM; Xen's 32767 stands for idle cores, whose vCPU n is pCPU n.
   */
  guest: number;
  /**
   * Its name.
   */
  name: string;
  /**
   * Each vCPU.
   */
  vcpus: VcpuLoad[];
}
/**
 * The sums over its vCPUs.
 */
export interface Shares {
  /**
   * Waiting for an event.
   */
  blocked: number;
  /**
   * Switched off or paused.
   */
  offline: number;
  /**
   * Waiting for a core.
   */
  runnable: number;
  /**
   * On a core.
   */
  running: number;
}
/**
 * What a vCPU did.
 */
export interface VcpuLoad {
  /**
   * Its index in the VM.
   */
  index: number;
  shares: Shares1;
}
/**
 * Of the interval.
 */
export interface Shares1 {
  /**
   * Waiting for an event.
   */
  blocked: number;
  /**
   * Switched off or paused.
   */
  offline: number;
  /**
   * Waiting for a core.
   */
  runnable: number;
  /**
   * On a core.
   */
  running: number;
}
