/** The machine view's rows: what the adapter tells of thread groups, in words and icons. Knows nothing of VS Code. */

import type { Group, Image, Missing, Thread } from '../protocol/machine-overview.js';
import { plain } from '../session/names.js';

/** One row. All text is plain: names come from the target. */
export interface Row {
  /** Stays the same for the same thing, so that the view keeps what is open and selected. */
  id: string;
  label: string;
  description: string;
  tooltip: string;
  /** A codicon, and the theme colour it has. */
  icon: string;
  colour?: string;
  /** What kind of thing it is, for the menus of package.json. */
  context: 'hypervisor' | 'vm' | 'pcpu' | 'vcpu' | 'image' | 'missing';
  children: Row[];
  group?: Group;
  thread?: Thread;
}

/** A row for each group, with its threads and images below, and one for each image that runs nowhere. */
export function rows(groups: readonly Group[], halted: boolean, missing: readonly Missing[] = []): Row[] {
  return [...groups.map((group) => groupRow(group, groups, halted)), ...missing.map(missingRow)];
}

/** `DomU · VMID 2 · vCPU 0 on pCPU 1 · EL1`. */
export function whereabouts(group: Group, thread: Thread): string {
  return joined(plain(group.name), vmid(group), onCore(group, thread), thread.el);
}

function isHypervisor(group: Group): boolean {
  return group.id === 0;
}

function groupRow(group: Group, groups: readonly Group[], halted: boolean): Row {
  const hypervisor = isHypervisor(group);
  const threads = group.threads.map((thread) =>
    hypervisor ? coreRow(group, thread, halted, groups) : vcpuRow(group, thread, halted),
  );
  const breakpoints = group.breakpoints ?? 0;
  return {
    id: `group ${group.id}`,
    label: plain(group.name),
    description: joined(
      vmid(group),
      count(group.threads.length, hypervisor ? 'pCPU' : 'vCPU'),
      symbolState(group),
      breakpoints > 0 ? count(breakpoints, 'breakpoint') : undefined,
    ),
    tooltip: lines(
      [hypervisor ? 'Hypervisor' : 'VM', plain(group.name)],
      ['Guest', group.guest],
      ['VMID', group.vmid],
      ['Images', group.images.map((image) => plain(image.name)).join(', ')],
      ['Breakpoints', group.breakpoints],
    ),
    icon: hypervisor ? 'layers' : 'vm',
    context: hypervisor ? 'hypervisor' : 'vm',
    children: [...threads, ...group.images.map((image, index) => imageRow(group, image, index))],
    group,
  };
}

function coreRow(group: Group, thread: Thread, halted: boolean, groups: readonly Group[]): Row {
  const inside = thread.el === 'EL2' ? joined(plain(group.name), functionOf(thread)) : thread.el;
  const busy = thread.carries?.who === 'vcpu';
  return {
    ...threadRow(group, thread),
    label: thread.name,
    description: halted ? joined(carried(thread, groups), inside) : 'running',
    icon: 'chip',
    ...(busy && { colour: 'charts.green' }),
    context: 'pcpu',
  };
}

/** Whom a core works for. */
function carried({ carries }: Thread, groups: readonly Group[]): string | undefined {
  if (carries?.who !== 'vcpu') {
    return carries?.who === 'idle' ? 'idle' : undefined;
  }
  for (const group of groups) {
    const vcpu = group.threads.find((one) => one.id === carries.thread);
    if (vcpu !== undefined) {
      return `${plain(group.name)} ${vcpu.name}`;
    }
  }
  return 'a vCPU that is gone';
}

const STATES: Record<Thread['state'], { icon: string; colour?: string }> = {
  running: { icon: 'play-circle', colour: 'charts.green' },
  runnable: { icon: 'clock', colour: 'charts.yellow' },
  blocked: { icon: 'debug-pause', colour: 'descriptionForeground' },
  offline: { icon: 'circle-slash', colour: 'disabledForeground' },
  unknown: { icon: 'question' },
};

function vcpuRow(group: Group, thread: Thread, halted: boolean): Row {
  const state = thread.pcpu === undefined ? thread.state : `on pCPU ${thread.pcpu}`;
  return {
    ...threadRow(group, thread),
    label: thread.name,
    description: halted ? joined(state, thread.el, functionOf(thread) ?? thread.pc) : '',
    ...(halted ? STATES[thread.state] : { icon: 'play-circle' }),
    context: 'vcpu',
  };
}

function threadRow(group: Group, thread: Thread): Pick<Row, 'id' | 'tooltip' | 'children'> & { group: Group; thread: Thread } {
  return {
    id: `thread ${thread.id}`,
    tooltip: lines(
      [plain(group.name), thread.name],
      ['State', thread.state],
      ['For', thread.inStateNs === undefined ? undefined : duration(thread.inStateNs)],
      ['pCPU', thread.pcpu],
      ['Exception level', thread.el],
      ['pc', thread.pc],
      ['Function', functionOf(thread)],
    ),
    children: [],
    group,
    thread,
  };
}

function imageRow(group: Group, image: Image, index: number): Row {
  return {
    id: `image ${group.id} ${index}`,
    label: plain(image.name),
    description: joined(plain(image.symbols), image.slide === '0x0' ? undefined : `moved by ${image.slide}`),
    tooltip: lines(
      ['Image', plain(image.name)],
      ['Symbols', plain(image.symbols)],
      ['Found by', plain(image.evidence)],
      ['Build-id', image.buildId],
      ['Moved by', image.slide],
    ),
    icon: 'file-binary',
    context: 'image',
    children: [],
    group,
  };
}

function missingRow(missing: Missing, index: number): Row {
  const of = missing.vm === undefined ? 'the hypervisor' : plain(missing.vm);
  return {
    id: `missing ${index}`,
    label: plain(missing.name),
    description: `runs nowhere · ${plain(missing.place)}`,
    tooltip: `The machine file names this image for ${of}, at ${plain(missing.place)}: it was found in no VM.`,
    icon: 'warning',
    colour: 'list.warningForeground',
    context: 'missing',
    children: [],
  };
}

function symbolState(group: Group): string | undefined {
  return group.images.length === 0 ? 'no symbols' : undefined;
}

function functionOf(thread: Thread): string | undefined {
  return thread.function === undefined ? undefined : plain(thread.function);
}

function vmid(group: Group): string | undefined {
  return group.vmid === undefined ? undefined : `VMID ${group.vmid}`;
}

function onCore(group: Group, thread: Thread): string {
  if (isHypervisor(group)) {
    return thread.name;
  }
  return thread.pcpu === undefined ? `${thread.name} ${thread.state}` : `${thread.name} on pCPU ${thread.pcpu}`;
}

function duration(nanoseconds: number): string {
  const units: [number, string][] = [
    [1e9, 's'],
    [1e6, 'ms'],
    [1e3, 'µs'],
  ];
  const [unit, name] = units.find(([one]) => nanoseconds >= one) ?? [1, 'ns'];
  return `${Number((nanoseconds / unit).toPrecision(4))} ${name}`;
}

function count(number: number, what: string): string {
  return `${number} ${what}${number === 1 ? '' : 's'}`;
}

function joined(...parts: (string | undefined)[]): string {
  return parts.filter((part) => part !== undefined && part !== '').join(' · ');
}

function lines(...pairs: [string, string | number | undefined][]): string {
  return pairs
    .filter(([, value]) => value !== undefined && value !== '')
    .map(([name, value]) => `${name}: ${String(value)}`)
    .join('\n');
}
