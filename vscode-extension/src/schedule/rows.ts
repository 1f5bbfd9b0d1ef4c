/** Which lanes are shown in which order, and where each is, in CSS pixels from the top. Pure. */
import type { LaneInfo } from './model';

/** A line of the view: the heading of a group, or a lane. */
export type Line = { kind: 'heading'; title: string; guest?: number; y: number; height: number } | { kind: 'lane'; lane: LaneInfo; y: number; height: number };

export const LANE_HEIGHT = 22;
const HEADING_HEIGHT = 20;

/** Cores first, then every VM with its vCPUs and, where wanted, its tasks. */
export function linesOf(lanes: readonly LaneInfo[], withTasks: boolean): Line[] {
  const lines: Line[] = [];
  let y = 0;
  const group = (title: string, members: readonly LaneInfo[], guest?: number) => {
    if (members.length === 0) {
      return;
    }
    lines.push({ kind: 'heading', title, y, height: HEADING_HEIGHT, ...(guest === undefined ? {} : { guest }) });
    y += HEADING_HEIGHT;
    for (const lane of members) {
      lines.push({ kind: 'lane', lane, y, height: LANE_HEIGHT });
      y += LANE_HEIGHT;
    }
  };
  const byIndex = (kind: string, guest?: number) =>
    lanes.filter((lane) => lane.kind === kind && lane.guest === guest).sort((a, b) => (a.index ?? 0) - (b.index ?? 0));
  group('Cores', byIndex('pcpu'));
  for (const guest of guestsOf(lanes)) {
    const [vcpus, tasks] = [byIndex('vcpu', guest), withTasks ? byIndex('task', guest) : []];
    group(nameOf(vcpus[0] ?? tasks[0], guest), [...vcpus, ...tasks], guest);
  }
  group('Others', byIndex('others'));
  return lines;
}

/** The VMs of these lanes, by number. */
export function guestsOf(lanes: readonly LaneInfo[]): number[] {
  const guests = lanes.flatMap((lane) => (lane.guest === undefined ? [] : [lane.guest]));
  return [...new Set(guests)].sort((a, b) => a - b);
}

/** `DomU` of `DomU/0` and of `DomU: sh[45]`. A VM's name may have either sign in it, but what follows the last has none. */
function nameOf(lane: LaneInfo | undefined, guest: number): string {
  const name = lane?.kind === 'vcpu' ? lane.name.replace(/\/\d+$/u, '') : lane?.name.replace(/: [^:]*$/u, '');
  return name ?? `VM ${guest}`;
}

/** What a lane is called below the heading of its group. */
export function labelOf(lane: LaneInfo): string {
  switch (lane.kind) {
    case 'vcpu':
      return `vCPU ${lane.index ?? 0}`;
    case 'task':
      return lane.name.slice(lane.name.lastIndexOf(': ') + 2);
    default:
      return lane.name;
  }
}

/** How high all lines are together. */
export function heightOf(lines: readonly Line[]): number {
  const last = lines.at(-1);
  return last ? last.y + last.height : 0;
}

/** The lines that lie between two heights. */
export function linesBetween(lines: readonly Line[], top: number, bottom: number): Line[] {
  return lines.filter((line) => line.y + line.height > top && line.y < bottom);
}

/** The lane at a height, if one is there. */
export function laneAtHeight(lines: readonly Line[], y: number): LaneInfo | undefined {
  const line = lines.find((one) => y >= one.y && y < one.y + one.height);
  return line?.kind === 'lane' ? line.lane : undefined;
}
