/** A walk through the translation tables, and the rows that show it. Knows nothing of VS Code. */

/** One value of a decoded descriptor. */
export interface Attribute {
  name: string;
  value: string;
}

/** One descriptor that was read. */
export interface Step {
  stage: 1 | 2;
  level: 0 | 1 | 2 | 3;
  /** Where it lies: of stage 1 an IPA, of stage 2 a PA, in hexadecimal. */
  descriptorAddress: string;
  descriptor: string;
  kind: 'table' | 'block' | 'page' | 'invalid';
  /** The next table, or the address translated to. */
  output?: string;
  attributes: Attribute[];
  /** Why the walk ends here. */
  failed?: string;
}

/** Body of `hvdap/translate`. */
export interface Walk {
  address: string;
  steps: Step[];
  result?: { ipa?: string; pa: string };
  fault?: string;
}

/** Arguments of `hvdap/translate`. */
export interface WalkArguments {
  threadId: number;
  address: string;
}

/** Consecutive steps of one stage: stage 1's table is itself found through stage 2. */
export interface Leg {
  stage: 1 | 2;
  steps: Step[];
}

/** The walk in the order it was made, cut where the stage changes. */
export function legs(walk: Walk): Leg[] {
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
export function outcome(walk: Walk): string {
  if (walk.result === undefined) {
    return `${walk.address} is not translated: ${walk.fault ?? 'no reason known'}`;
  }
  const { ipa, pa } = walk.result;
  return [`VA ${walk.address}`, ipa === undefined ? undefined : `IPA ${ipa}`, `PA ${pa}`]
    .filter((part) => part !== undefined)
    .join(' → ');
}

/** The bits of a 64-bit descriptor in groups of four hexadecimal digits. */
export function grouped(descriptor: string): string {
  const digits = descriptor.replace(/^0x/, '').padStart(16, '0');
  return digits.replace(/(.{4})(?=.)/g, '$1 ');
}
