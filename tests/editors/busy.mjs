// xentrace files of a busy machine (Xen `public/trace.h`): run-state changes and losses, as many as wanted.
import { closeSync, openSync, writeSync } from 'node:fs';

const [RUNNING, RUNNABLE, BLOCKED] = [0, 1, 2];
const RUN_STATE = 0x21001;
const LOST = 0x1f001;
const WINDOW = 0x1f003;
/** Turns of a core in a window of the file, and the bytes of a turn at most. */
const TURNS = 1024;
const TURN = 64 + 28;
/** The counter at the beginning, and its ticks a second. */
export const START = 1e9;
export const HERTZ = 62.5e6;

/**
 * On each core, `sharing` vCPUs of `vms` VMs take turns of up to `longest` ticks; half of those that leave wait for an event first.
 * @param {string} file
 * @param {{ records: number, cores?: number, sharing?: number, vms?: number, longest?: number, loses?: boolean }} wanted
 */
export function writeBusy(file, { records, cores = 8, sharing = 4, vms = 2, longest = 1000, loses = false }) {
  const out = openSync(file, 'w');
  const all = Array.from({ length: cores }, (_, number) => new Core(number, { sharing, vms, longest, loses }));
  for (let written = 0; written < records; ) {
    for (const core of all) {
      written += core.window(out);
    }
  }
  closeSync(out);
}

class Core {
  constructor(number, { sharing, vms, longest, loses }) {
    Object.assign(this, { number, longest, loses, time: START, random: (0x9e3779b9 ^ Math.imul(number, 0x85ebca6b)) >>> 0 });
    this.runnable = Array.from({ length: sharing }, (_, n) => [n % vms, number * Math.ceil(sharing / vms) + Math.floor(n / vms)]);
    this.blocked = [];
    this.bytes = Buffer.alloc(12 + TURNS * TURN);
  }

  /** Writes one window, and tells how many records it has. */
  window(out) {
    this.at = 12;
    this.count = 0;
    for (let turn = 0; turn < TURNS; turn++) {
      this.turn();
    }
    if (this.loses && this.random % 3 === 0) {
      const since = this.time;
      this.time += this.longest * 40;
      this.record(LOST, this.time, [500, 0, since % 2 ** 32, Math.floor(since / 2 ** 32)]);
    }
    this.bytes.writeUInt32LE(((2 << 28) | WINDOW) >>> 0, 0);
    this.bytes.writeUInt32LE(this.number, 4);
    this.bytes.writeUInt32LE(this.at - 12, 8);
    writeSync(out, this.bytes, 0, this.at);
    return this.count;
  }

  /** The first gives the core to the second. */
  turn() {
    this.time += 50 + (this.next() >>> 8) % this.longest;
    if (this.runnable.length < 3) {
      const woken = this.blocked.shift();
      this.goes(this.time - 20, woken, BLOCKED, RUNNABLE);
      this.runnable.push(woken);
    }
    const first = this.runnable.shift();
    const leavesFor = this.random >>> 31 ? BLOCKED : RUNNABLE;
    this.goes(this.time, first, RUNNING, leavesFor);
    this.goes(this.time, this.runnable[0], RUNNABLE, RUNNING);
    (leavesFor === BLOCKED ? this.blocked : this.runnable).push(first);
  }

  goes(time, [vm, vcpu], from, to) {
    this.record(RUN_STATE | (from << 8) | (to << 4), time, [((vm << 16) | vcpu) >>> 0]);
  }

  record(number, time, words) {
    this.bytes.writeUInt32LE(((1 << 31) | (words.length << 28) | number) >>> 0, this.at);
    this.bytes.writeUInt32LE(time % 2 ** 32, this.at + 4);
    this.bytes.writeUInt32LE(Math.floor(time / 2 ** 32), this.at + 8);
    words.forEach((word, n) => this.bytes.writeUInt32LE(word, this.at + 12 + n * 4));
    this.at += 12 + words.length * 4;
    this.count += 1;
  }

  next() {
    let random = this.random;
    random ^= random << 13;
    random ^= random >>> 17;
    random ^= random << 5;
    return (this.random = random >>> 0);
  }
}
