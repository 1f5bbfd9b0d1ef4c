/** A walk through the translation tables, and what is shown of it. Knows nothing of VS Code. */

import type { Step, Translate } from '../protocol/translate.js';

/** Consecutive steps of one stage: stage 1's table is itself found through stage 2. */
export interface Leg {
  stage: number;
  steps: Step[];
}

/** The walk in the order it was made, cut where the stage changes. */
export function legs(walk: Translate): Leg[] {
  const all: Leg[] = [];
  for (const step of walk.steps) {
    const last = all.at(-1);
    if (last?.stage === step.stage) {
      last.steps.push(step);
    } else {
      all.push({ stage: step.stage, steps: [step] });
    }
  }
  return all;
}

/** The end of a walk in one sentence. */
export function outcome(walk: Translate): string {
  if (walk.result === undefined) {
    return `${walk.address} is not translated: ${walk.fault ?? 'no reason known'}`;
  }
  const { ipa, pa } = walk.result;
  return [`VA ${walk.address}`, ipa === undefined ? undefined : `IPA ${ipa}`, `PA ${pa}`]
    .filter((part) => part !== undefined)
    .join(' → ');
}

/** What may be done there, and with how much from there on. */
export function rights({ result }: Translate): string {
  if (result === undefined) {
    return '';
  }
  const memory = result.device ? 'device memory' : 'normal memory';
  return `${memory} · ${result.permissions} · ${bytes(result.size)} in one piece`;
}

/** The bits of a 64-bit descriptor in groups of four hexadecimal digits. */
export function grouped(descriptor: string): string {
  const digits = descriptor.replace(/^0x/, '').padStart(16, '0');
  return digits.replace(/(.{4})(?=.)/g, '$1 ');
}

function bytes(size: number): string {
  const units: [number, string][] = [
    [2 ** 30, 'GiB'],
    [2 ** 20, 'MiB'],
    [2 ** 10, 'KiB'],
  ];
  const [unit, name] = units.find(([one]) => size >= one) ?? [1, 'bytes'];
  return `${Number((size / unit).toFixed(1))} ${name}`;
}
