import * as vscode from 'vscode';
import { describe } from '../errors.js';
import { placeOf } from '../machine/actions.js';
import { whereabouts } from '../machine/rows.js';
import type { ThreadNode } from '../machine/tree.js';
import type { Translate } from '../protocol/translate.js';
import type { TranslateArguments } from '../protocol/translate.arguments.js';
import type { Machine, Place } from '../session/machine.js';
import type { Machines } from '../session/machines.js';
import { plain } from '../session/names.js';
import { isUnknown } from '../session/requests.js';
import { pageHtml, webviewOptions } from '../webview.js';
import type { ToHost, ToPage } from './messages.js';

/** The panel that draws how an address is translated; one, which is used again. */
export class TranslationPanel {
  private panel: vscode.WebviewPanel | undefined;
  private subject: (Place & { machine: Machine }) | undefined;
  private shown: ToPage | undefined;

  constructor(
    private readonly context: vscode.ExtensionContext,
    private readonly machines: Machines,
  ) {}

  /** Asks for an address as the thread of a row sees it, or the focused one, and shows the walk. */
  async ask(node?: ThreadNode): Promise<void> {
    const subject = node === undefined ? this.machines.focused() : { machine: node.machine, ...placeOf(node) };
    if (subject === undefined) {
      void vscode.window.showInformationMessage('Halt a machine first: a translation is what a vCPU would see.');
      return;
    }
    const address = await vscode.window.showInputBox({
      title: `Translate an address of ${plain(subject.group.name)} ${subject.thread.name}`,
      value: subject.thread.pc ?? '',
      placeHolder: '0x… or an expression',
    });
    if (address === undefined || address.trim() === '') {
      return;
    }
    this.subject = subject;
    await this.translate(address);
  }

  /** Shows the walk of an address as the present subject sees it. */
  async translate(address: string): Promise<void> {
    if (this.subject === undefined) {
      return;
    }
    const { machine, group, thread } = this.subject;
    const wanted: TranslateArguments = { threadId: thread.id, address: address.trim() };
    const who = whereabouts(group, thread);
    try {
      const show = (await machine.sessionOf(group).customRequest('hvdap/translate', wanted)) as Translate;
      this.show({ show, who });
    } catch (error) {
      const reason = isUnknown(error) ? 'This hvdap is too old to explain translations: update it.' : describe(error);
      this.show({ error: reason, who });
    }
  }

  private show(message: ToPage): void {
    this.shown = message;
    const panel = this.open();
    panel.reveal(undefined, true);
    void panel.webview.postMessage(message);
  }

  private open(): vscode.WebviewPanel {
    if (this.panel !== undefined) {
      return this.panel;
    }
    const { Beside } = vscode.ViewColumn;
    const title = 'Address Translation';
    const options = webviewOptions(this.context);
    const panel = vscode.window.createWebviewPanel('hvdap.translation', title, Beside, options);
    panel.webview.onDidReceiveMessage((message: ToHost) => {
      if ('translate' in message) {
        void this.translate(message.translate);
      } else if (this.shown !== undefined) {
        void panel.webview.postMessage(this.shown);
      }
    });
    panel.onDidDispose(() => {
      this.panel = undefined;
    });
    panel.webview.html = pageHtml(this.context, panel.webview, { bundle: 'translation', title });
    this.panel = panel;
    return panel;
  }
}
