// Written by scripts/schemas.mjs from schemas/trace-stats.schema.json.

/**
 * Output of `hvdap trace stats --json`. Times are nanoseconds, moments such since the start of the trace.
 */
export interface TraceStats {
  /**
   * What guests' requests to their backends took, by vCPU that sent some; none where no guest's own trace tells of requests.
   */
  backends: BackendTimes[];
  /**
   * How much of it counts: without the debugger's halts, where they are cut.
   */
  countedNs: number;
  /**
   * Where the stretch begins.
   */
  fromNs: number;
  /**
   * How long the debugger held the machine in it.
   */
  haltedNs: number;
  /**
   * By core.
   */
  pcpus: Core[];
  /**
   * Who took a core from whom, the longest waits first.
   */
  preemptions: Preemption[];
  /**
   * Where it ends.
   */
  toNs: number;
  /**
   * By vCPU.
   */
  vcpus: Row[];
  /**
   * By VM.
   */
  vms: Row[];
}
/**
 * What the requests of a vCPU took. Times of all of them together, which may overlap, but for `outstandingNs`.
 */
export interface BackendTimes {
  /**
   * The VM that they went to; left out where its vCPUs are not in the trace.
   */
  backend?: string;
  /**
   * The bounds come from the guest's own trace alone.
   */
  estimated: boolean;
  /**
   * At most so much.
   */
  highNs: number;
  longest?: Longest;
  /**
   * At least so much of that was the backend's.
   */
  lowNs: number;
  /**
   * During so many nanoseconds at least one was outstanding.
   */
  outstandingNs: number;
  /**
   * Sent and answered.
   */
  requests: number;
  split?: Parts;
  /**
   * From sending to the answer, all requests together.
   */
  totalNs: number;
  /**
   * Sent and not answered.
   */
  unanswered: number;
  /**
   * The vCPU that sent them: `DomU/0`.
   */
  vcpu: string;
}
/**
 * The one that took longest.
 */
export interface Longest {
  /**
   * When it was sent, in nanoseconds since the start of the trace.
   */
  atNs: number;
  /**
   * At most so much.
   */
  highNs: number;
  /**
   * As the guest names it: a sector, a packet's address.
   */
  id: number;
  /**
   * At least so much of that was the backend's.
   */
  lowNs: number;
  /**
   * From sending to the answer.
   */
  totalNs: number;
}
/**
 * Where the time went; left out where it is estimated.
 */
export interface Parts {
  /**
   * The backend ran.
   */
  backendRunNs: number;
  /**
   * The backend was runnable and had no core.
   */
  backendWaitNs: number;
  /**
   * The backend was done, the sender blocked or running.
   */
  deliveryNs: number;
  /**
   * The backend waited, to run again for the request: the device.
   */
  deviceNs: number;
  /**
   * Until the backend was runnable: the send through the hypervisor.
   */
  outNs: number;
  /**
   * The backend was done, the sender runnable without a core.
   */
  returnWaitNs: number;
  /**
   * Not known.
   */
  unknownNs: number;
}
/**
 * What a core did.
 */
export interface Core {
  /**
   * Its number.
   */
  pcpu: number;
  states: States;
  /**
   * How often it was given to another vCPU or to idle.
   */
  switches: number;
}
/**
 * Time in each state: running is carrying a vCPU, blocked is idle.
 */
export interface States {
  /**
   * Waited for an event. A core: idle.
   */
  blocked: number;
  /**
   * In the hypervisor on its behalf, where the trace tells.
   */
  hypervisor: number;
  /**
   * Records were lost.
   */
  lost: number;
  /**
   * Paused, shut down or not started.
   */
  offline: number;
  /**
   * Wanted a core and had none: steal time.
   */
  runnable: number;
  /**
   * On a core.
   */
  running: number;
  /**
   * Nothing is known.
   */
  unknown: number;
}
/**
 * One taking a core from another.
 */
export interface Preemption {
  /**
   * Who got the core, where known.
   */
  by?: string;
  /**
   * How often.
   */
  count: number;
  /**
   * Who had to wait.
   */
  victim: string;
  /**
   * How long the victim waited, in all.
   */
  waitedNs: number;
}
/**
 * What a vCPU, or all vCPUs of a VM together, did.
 */
export interface Row {
  /**
   * How often it ran on another core than before.
   */
  migrations: number;
  /**
   * `DomU`, `DomU/0`.
   */
  name: string;
  offCore: Distribution;
  runs: Distribution1;
  states: States1;
  /**
   * How many vCPUs it is about.
   */
  vcpus: number;
  wakeToRun: Distribution2;
}
/**
 * From the loss of its core until it ran again.
 */
export interface Distribution {
  /**
   * How many.
   */
  count: number;
  /**
   * Entry n counts those of at least 2ⁿ ticks and less than 2ⁿ⁺¹; entry 0 also those of none.
   */
  histogram: number[];
  /**
   * The longest.
   */
  maxNs: number;
  /**
   * Half are at most this.
   */
  p50Ns: number;
  /**
   * Nine in ten.
   */
  p90Ns: number;
  /**
   * Ninety-nine in a hundred.
   */
  p99Ns: number;
  /**
   * All together.
   */
  sumNs: number;
  /**
   * The longest ones, longest first.
   */
  worst: Worst[];
}
/**
 * One that lasted.
 */
export interface Worst {
  /**
   * When it was over.
   */
  atNs: number;
  /**
   * When it was over, in ticks.
   */
  atTicks: number;
  /**
   * How long.
   */
  durationNs: number;
  /**
   * The vCPU.
   */
  who: string;
}
/**
 * How long it kept a core.
 */
export interface Distribution1 {
  /**
   * How many.
   */
  count: number;
  /**
   * Entry n counts those of at least 2ⁿ ticks and less than 2ⁿ⁺¹; entry 0 also those of none.
   */
  histogram: number[];
  /**
   * The longest.
   */
  maxNs: number;
  /**
   * Half are at most this.
   */
  p50Ns: number;
  /**
   * Nine in ten.
   */
  p90Ns: number;
  /**
   * Ninety-nine in a hundred.
   */
  p99Ns: number;
  /**
   * All together.
   */
  sumNs: number;
  /**
   * The longest ones, longest first.
   */
  worst: Worst[];
}
/**
 * Time in each state.
 */
export interface States1 {
  /**
   * Waited for an event. A core: idle.
   */
  blocked: number;
  /**
   * In the hypervisor on its behalf, where the trace tells.
   */
  hypervisor: number;
  /**
   * Records were lost.
   */
  lost: number;
  /**
   * Paused, shut down or not started.
   */
  offline: number;
  /**
   * Wanted a core and had none: steal time.
   */
  runnable: number;
  /**
   * On a core.
   */
  running: number;
  /**
   * Nothing is known.
   */
  unknown: number;
}
/**
 * From a wake until it ran.
 */
export interface Distribution2 {
  /**
   * How many.
   */
  count: number;
  /**
   * Entry n counts those of at least 2ⁿ ticks and less than 2ⁿ⁺¹; entry 0 also those of none.
   */
  histogram: number[];
  /**
   * The longest.
   */
  maxNs: number;
  /**
   * Half are at most this.
   */
  p50Ns: number;
  /**
   * Nine in ten.
   */
  p90Ns: number;
  /**
   * Ninety-nine in a hundred.
   */
  p99Ns: number;
  /**
   * All together.
   */
  sumNs: number;
  /**
   * The longest ones, longest first.
   */
  worst: Worst[];
}
