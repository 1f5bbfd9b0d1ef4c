import * as vscode from 'vscode';
import { describe } from '../errors.js';
import { pageHtml, webviewOptions } from '../webview.js';
import type { Answerer } from './answerer.js';
import type { Ask, Format, Notice, Reply, Signal } from './messages.js';

/** What an export is called when nobody says otherwise. */
const FILES: Record<Format, string> = {
  perfetto: 'schedule.pftrace',
  chrome: 'schedule.json',
  csv: 'schedule.csv',
};

/** A panel with the schedule view's page: passes its requests on, and answers and events back. */
export class SchedulePanel {
  private readonly panel: vscode.WebviewPanel;
  /** The page takes notices. */
  private ready = false;
  private waiting: Notice[] = [];
  /** Called when the panel is gone. */
  readonly onDidDispose: vscode.Event<void>;

  constructor(
    context: vscode.ExtensionContext,
    private readonly answerer: Answerer,
    column = vscode.ViewColumn.Active,
  ) {
    const { title } = answerer;
    this.panel = vscode.window.createWebviewPanel('hvdap.schedule', title, column, {
      ...webviewOptions(context),
      // Zoom, selection and the cells drawn stay when the panel is hidden and shown again.
      retainContextWhenHidden: true,
    });
    this.panel.iconPath = vscode.Uri.joinPath(context.extensionUri, 'media', 'schedule.svg');
    this.onDidDispose = this.panel.onDidDispose;
    const { webview } = this.panel;
    webview.onDidReceiveMessage((message: Ask | Signal) => void this.receive(message));
    webview.html = pageHtml(context, webview, { bundle: 'schedule', title });
    const notices = answerer.onNotice((notice) => {
      this.tell(notice);
    });
    this.panel.onDidDispose(() => {
      notices.dispose();
      answerer.dispose();
    });
  }

  reveal(): void {
    this.panel.reveal();
  }

  /** Tells the page, when it is loaded. */
  tell(notice: Notice): void {
    if (this.ready) {
      void this.panel.webview.postMessage(notice);
    } else {
      this.waiting.push(notice);
    }
  }

  private async receive(message: Ask | Signal): Promise<void> {
    if ('id' in message) {
      void this.panel.webview.postMessage(await this.answer(message));
    } else if (message.signal === 'focus') {
      await this.answerer.focus?.(message.guest, message.index);
    } else if (message.signal === 'export') {
      await this.export(message.format, message.from, message.to);
    } else {
      this.ready = true;
      for (const notice of this.waiting.splice(0)) {
        this.tell(notice);
      }
    }
  }

  private async export(format: Format, from: number, to: number): Promise<void> {
    const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
    const file = await vscode.window.showSaveDialog({
      title: 'Export the schedule',
      ...(folder && { defaultUri: vscode.Uri.joinPath(folder, FILES[format]) }),
    });
    if (file === undefined) {
      return;
    }
    try {
      await this.answerer.export({ format, from, to, output: file.fsPath });
      void vscode.window.showInformationMessage(`The schedule is in ${file.fsPath}.`);
    } catch (error) {
      void vscode.window.showErrorMessage(`The schedule was not exported: ${describe(error)}`);
    }
  }

  private async answer({ id, command, arguments: body }: Ask): Promise<Reply> {
    try {
      return { id, body: await this.answerer.request(command, body) };
    } catch (error) {
      return { id, error: describe(error) };
    }
  }
}
