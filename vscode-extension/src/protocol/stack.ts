// Written by scripts/schemas.mjs from schemas/stack.schema.json.

/**
 * Output of `hvdap stack --json`.
 */
export interface Stack {
  /**
   * One for each thread.
   */
  stacks: Stack1[];
  /**
   * The target.
   */
  target: string;
}
/**
 * The stack of one thread.
 */
export interface Stack1 {
  /**
   * Why there are no frames.
   */
  error?: string;
  /**
   * Innermost first.
   */
  frames: Frame[];
  /**
   * The name of its group.
   */
  group: string;
  thread: Thread;
}
/**
 * A frame.
 */
export interface Frame {
  /**
   * The source file.
   */
  file?: string;
  /**
   * The image.
   */
  image?: string;
  /**
   * Whether it is such a border.
   */
  label: boolean;
  /**
   * The line in it.
   */
  line?: number;
  /**
   * Function name, symbol+offset, or the text of a border between stacks.
   */
  name: string;
  /**
   * The instruction, in hexadecimal.
   */
  pc?: string;
}
/**
 * The thread.
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
