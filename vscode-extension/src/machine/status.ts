import * as vscode from 'vscode';
import type { Machines } from '../session/machines.js';
import { withoutIcons } from '../session/names.js';
import { whereabouts } from './rows.js';

/** The item of the status bar that says, at a halt, whose code the focused thread was running. */
export class WhereItem {
  private readonly item = vscode.window.createStatusBarItem('hvdap.where', vscode.StatusBarAlignment.Left, 50);
  private readonly focus: vscode.Disposable;

  constructor(private readonly machines: Machines) {
    this.item.name = 'hvdap: where the machine halted';
    this.item.command = 'hvdap.machine.focus';
    const show = (): void => {
      this.show();
    };
    machines.onDidChange(show);
    this.focus = vscode.debug.onDidChangeActiveStackItem(show);
  }

  dispose(): void {
    this.focus.dispose();
    this.item.dispose();
  }

  private show(): void {
    const focused = this.machines.focused();
    if (focused?.machine.halted !== true) {
      this.item.hide();
      return;
    }
    const text = whereabouts(focused.group, focused.thread);
    this.item.text = `$(chip) ${withoutIcons(text)}`;
    this.item.tooltip = `Halted: ${text}. Click for the machine view.`;
    this.item.show();
  }
}
