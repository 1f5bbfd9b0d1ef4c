/** Everything by keys, and the list of them. */
import { button, element, table } from './dom';
import type { Details } from './details';
import type { Toolbar } from './toolbar';
import type { View } from './view';

/** A pan by keys moves by this part of what is seen, a zoom changes it by this factor. */
const STEP = 0.15;
const FACTOR = 1.4;

const KEYS: readonly (readonly [string, string])[] = [
  ['W or +', 'zoom in, around the cursor'],
  ['S or −', 'zoom out'],
  ['A, D', 'earlier, later'],
  ['F', 'all of the time'],
  ['Home, End', 'the beginning, the end'],
  ['↑, ↓', 'the lane above, below'],
  ['Page up, Page down', 'ten lanes up, down'],
  ['←, →', 'where the lane last or next changed'],
  ['Shift with ←, →', 'the selection goes along'],
  ['Enter', 'focus on the thread of the lane (in VS Code)'],
  ['N, P', 'the next, the last of what Find says'],
  ['Y', 'why did the vCPU not run here?'],
  ['T', 'the table'],
  ['L', 'follow what is recorded'],
  ['Escape', 'closes what is open, ends the selection'],
  ['?', 'this list'],
];
const POINTER: readonly (readonly [string, string])[] = [
  ['Wheel', 'zoom at the pointer; over the names: scroll the lanes'],
  ['Shift with the wheel', 'earlier, later'],
  ['Drag', 'move'],
  ['Drag along the axis, or with Shift', 'select and measure'],
  ['Click', 'cursor; in VS Code also the focus'],
  ['Double click', 'show the span large'],
];
const SHAPES: readonly (readonly [string, string])[] = [
  ['Solid', 'running'],
  ['Level lines', 'waiting for a core'],
  ['Thin line', 'blocked; a core: idle'],
  ['Upright stripes', 'in the hypervisor'],
  ['Diagonals in the lane', 'records lost, or not known'],
  ['Diagonals across all lanes', 'halted by the debugger'],
  ['Small signs above', 'marks: wakes, interrupts, losses'],
];

/** The list of all keys, and what the shapes mean. */
export function helpDialog(): HTMLDialogElement {
  const dialog = element('dialog', { class: 'help', 'aria-label': 'Keys' });
  const rows = (list: readonly (readonly [string, string])[]) => list.map(([keys, what]) => [keys, what]);
  const close = button('Close', 'Close (Escape)', () => {
    dialog.close();
  });
  const pointer = table('Pointer', ['What is done', 'What it does'], rows(POINTER));
  const shapes = table('Shapes', ['Shape', 'What it means'], rows(SHAPES));
  dialog.append(table('Keys', ['Key', 'What it does'], rows(KEYS)), element('div', {}, pointer, shapes, close));
  return dialog;
}

/** Acts on a key. Whether it was one of ours. */
export function pressed(event: KeyboardEvent, view: View, details: Details, toolbar: Toolbar, help: () => void): boolean {
  if (event.ctrlKey || event.metaKey || event.altKey) {
    return false;
  }
  const act = actions(event, view, details, toolbar, help)[event.key.length === 1 ? event.key.toLowerCase() : event.key];
  act?.();
  return act !== undefined;
}

function actions(event: KeyboardEvent, view: View, details: Details, toolbar: Toolbar, help: () => void): Record<string, (() => void) | undefined> {
  const until = view.data.until;
  const length = view.viewport.to - view.viewport.from;
  const zoomIn = () => {
    view.zoom(1 / FACTOR);
  };
  const zoomOut = () => {
    view.zoom(FACTOR);
  };
  return {
    w: zoomIn,
    '+': zoomIn,
    '=': zoomIn,
    s: zoomOut,
    '-': zoomOut,
    a: () => {
      view.pan(-STEP);
    },
    d: () => {
      view.pan(STEP);
    },
    f: () => {
      view.fit();
    },
    Home: () => {
      view.look({ from: -length * 0.02, to: length * 0.98 });
    },
    End: () => {
      view.look({ from: until - length * 0.98, to: until + length * 0.02 });
    },
    ArrowUp: () => {
      view.moveLane(-1);
    },
    ArrowDown: () => {
      view.moveLane(1);
    },
    PageUp: () => {
      view.moveLane(-10);
    },
    PageDown: () => {
      view.moveLane(10);
    },
    ArrowLeft: () => void view.moveTime('backward', event.shiftKey),
    ArrowRight: () => void view.moveTime('forward', event.shiftKey),
    Enter: () => {
      const lane = view.cursor && view.data.lanes.get(view.cursor.lane);
      if (lane) {
        view.focus(lane);
      }
    },
    n: () => void toolbar.find('forward'),
    p: () => void toolbar.find('backward'),
    y: () => void details.why(),
    t: () => {
      details.toggle('lanes');
    },
    l: () => {
      view.follow(!view.isLive);
    },
    Escape: () => {
      if (view.selection) {
        view.select(undefined);
      } else {
        details.close();
      }
    },
    '?': help,
  };
}
