/** What is under a point, in words: for the card beside the pointer, for screen readers, for the table. Pure but for what it is told. */
import { FULL, MARK, type Hit, type LaneInfo, type Picture } from './model';
import { causeName, flagNames, HYPERVISOR, MARKS, NOBODY, RUNNING, stateName } from './span';
import { duration, moment, percent } from './time';

/** What the words need besides the hit. */
export interface Around {
  readonly lanes: ReadonlyMap<number, LaneInfo>;
  readonly frequency: number;
  readonly until: number;
}

/** A line of the card: what, and how it is. */
export type Fact = readonly [what: string, value: string];

/** What a lane shows there, first in one line, then in facts. */
export function describe(lane: LaneInfo, hit: Hit, around: Around): { title: string; facts: Fact[] } {
  return hit.kind === 'span' ? ofSpan(lane, hit, around) : ofCell(lane, hit, around);
}

function ofSpan(lane: LaneInfo, hit: Hit & { kind: 'span' }, around: Around): { title: string; facts: Fact[] } {
  const isOpen = hit.to >= around.until;
  const { frequency } = around;
  const facts: Fact[] = [
    ['since', moment(hit.from / frequency)],
    [isOpen ? 'so far' : 'for', duration((hit.to - hit.from) / frequency)],
  ];
  const other = partyName(lane, hit, around);
  if (other) {
    facts.push(other);
  }
  const cause = causeName(hit.cause);
  if (cause) {
    facts.push(['because', cause]);
  }
  return { title: `${lane.name}: ${stateName(hit.state, lane.kind)}`, facts: [...facts, ...flagNames(hit.flags).map((name): Fact => ['note', name])] };
}

/** Whom a core carries; on which core a vCPU is or was. */
function partyName(lane: LaneInfo, hit: Hit & { kind: 'span' }, { lanes }: Around): Fact | undefined {
  if (hit.party === NOBODY) {
    return undefined;
  }
  const isOn = hit.state === RUNNING || hit.state === HYPERVISOR;
  if (lane.kind === 'pcpu') {
    const name = lanes.get(hit.party)?.name;
    return isOn && name !== undefined ? ['carries', name] : undefined;
  }
  return [isOn ? 'on' : 'core', `pCPU ${hit.party}`];
}

function ofCell(lane: LaneInfo, hit: Hit & { kind: 'cell' }, { frequency }: Around): { title: string; facts: Fact[] } {
  const facts = hit.shares.flatMap((share, state): Fact[] => {
    const occurs = (hit.flags & (1 << state)) !== 0;
    return occurs ? [[stateName(state, lane.kind), percent(Math.max(share, 1), FULL)]] : [];
  });
  const from = moment(hit.from / frequency);
  const notes = flagNames(hit.flags).map((name): Fact => ['note', name]);
  return { title: `${lane.name}, ${duration((hit.to - hit.from) / frequency)} from ${from}`, facts: [...facts, ...notes] };
}

/** Who else is on which core at that moment. */
export function others(lane: LaneInfo, time: number, picture: Picture, at: (lane: number) => Hit | undefined, { lanes }: Around): Fact[] {
  const cores = [...lanes.values()].filter((one) => one.kind === 'pcpu' && one.lane !== lane.lane && picture.lanes.has(one.lane));
  cores.sort((a, b) => (a.index ?? 0) - (b.index ?? 0));
  return cores.flatMap((core): Fact[] => {
    const there = at(core.lane);
    if (there?.kind !== 'span') {
      return [];
    }
    const carried = lanes.get(there.party)?.name;
    const isOn = there.state === RUNNING || there.state === HYPERVISOR;
    return [[core.name, isOn && carried !== undefined ? carried : stateName(there.state, 'pcpu')]];
  });
}

/** The marks of a lane between two ticks, each in words; `most` of them. */
export function marksBetween(marks: Float64Array | undefined, from: number, to: number, most: number, { lanes, frequency }: Around): string[] {
  const found: string[] = [];
  for (let at = 0; marks && at < marks.length && found.length < most; at += MARK) {
    const [time = 0, kind = 0, value = 0, by = NOBODY] = marks.subarray(at, at + MARK);
    if (time >= from && time <= to) {
      const who = lanes.get(by)?.name;
      found.push(`${moment(time / frequency)} ${markName(kind, value)}${who === undefined ? '' : ` by ${who}`}`);
    }
  }
  return found;
}

function markName(kind: number, value: number): string {
  const name = MARKS[kind] ?? 'other';
  switch (name) {
    case 'hypercall':
    case 'interrupt injected':
    case 'guest interrupt':
    case 'system call':
    case 'request sent':
    case 'request done':
      return `${name} ${value}`;
    case 'migrated':
      return `${name} from pCPU ${Math.floor(value / 65536)} to pCPU ${value % 65536}`;
    case 'credit':
      return `${name} ${value | 0}`;
    case 'exit to the hypervisor':
      return `${name}, ESR_EL2 0x${value.toString(16)}`;
    case 'core frequency':
      return `${name} ${value} MHz`;
    case 'records lost':
      return `${value} records lost`;
    case 'bytes unreadable':
      return `${value} bytes unreadable`;
    default:
      return name;
  }
}
