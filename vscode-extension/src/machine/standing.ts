import * as vscode from 'vscode';
import { topFrame } from '../session/focus.js';
import type { Machine, Place } from '../session/machine.js';
import type { Machines } from '../session/machines.js';
import { plain } from '../session/names.js';

/** More threads than these are not asked where they stand: each is a request. */
const MOST = 64;

/** Where a thread stands. */
interface Standing {
  /** `DomU vCPU 1`. */
  who: string;
  threadId: number;
  path: string;
  /** From 0. */
  line: number;
}

/** Marks in the editor the lines on which, at a halt, vCPUs stand that do not have the focus. */
export class StandingDecorations {
  private readonly type = vscode.window.createTextEditorDecorationType({
    isWholeLine: true,
    after: { margin: '0 0 0 3em', color: new vscode.ThemeColor('editorCodeLens.foreground'), fontStyle: 'italic' },
    overviewRulerColor: new vscode.ThemeColor('charts.purple'),
    overviewRulerLane: vscode.OverviewRulerLane.Left,
  });
  private standing: Standing[] = [];
  /** Counts halts, so that answers about an earlier one are dropped. */
  private round = 0;
  private readonly disposables: { dispose(): unknown }[];

  constructor(private readonly machines: Machines) {
    const draw = (): void => {
      this.draw();
    };
    this.disposables = [
      machines.onDidChange(() => void this.look()),
      vscode.debug.onDidChangeActiveStackItem(draw),
      vscode.window.onDidChangeVisibleTextEditors(draw),
      this.type,
    ];
  }

  dispose(): void {
    for (const disposable of this.disposables) {
      disposable.dispose();
    }
  }

  private async look(): Promise<void> {
    const round = ++this.round;
    const halted = this.machines.all.filter((machine) => machine.halted);
    const found = await Promise.all(halted.flatMap((machine) => vcpus(machine).map((place) => stand(machine, place))));
    if (round === this.round) {
      this.standing = found.filter((one) => one !== undefined);
      this.draw();
    }
  }

  private draw(): void {
    const focused = this.machines.focused()?.thread.id;
    const others = this.standing.filter((one) => one.threadId !== focused);
    for (const editor of vscode.window.visibleTextEditors) {
      const here = others.filter((one) => one.path === editor.document.uri.fsPath);
      editor.setDecorations(this.type, marks(here));
    }
  }
}

function vcpus(machine: Machine): Place[] {
  const all = machine.groups.flatMap((group) => group.threads.map((thread) => ({ group, thread })));
  return all.slice(0, MOST);
}

async function stand(machine: Machine, place: Place): Promise<Standing | undefined> {
  try {
    const frame = await topFrame(machine, place);
    const who = `${plain(place.group.name)} ${place.thread.name}`;
    return frame && { who, threadId: place.thread.id, path: frame.source.fsPath, line: frame.line - 1 };
  } catch {
    // The VM went, or the machine runs again.
    return undefined;
  }
}

function marks(standing: Standing[]): vscode.DecorationOptions[] {
  const byLine = new Map<number, string[]>();
  for (const { line, who } of standing) {
    byLine.set(line, [...(byLine.get(line) ?? []), who]);
  }
  return [...byLine].map(([line, names]) => ({
    range: new vscode.Range(line, 0, line, 0),
    renderOptions: { after: { contentText: `◂ ${names.join(', ')}` } },
    hoverMessage: new vscode.MarkdownString().appendText(`Here stands ${names.join(', ')}.`),
  }));
}
