import { randomBytes } from 'node:crypto';
import * as vscode from 'vscode';

/** A page bundled by esbuild.mjs. */
export interface Page {
  /** Its name in dist/, without `.js` and `.css`. */
  bundle: string;
  title: string;
}

/** What a webview may load: nothing but the extension's own dist/ and media/. */
export function webviewOptions(context: vscode.ExtensionContext): vscode.WebviewOptions {
  return {
    enableScripts: true,
    localResourceRoots: [vscode.Uri.joinPath(context.extensionUri, 'dist'), vscode.Uri.joinPath(context.extensionUri, 'media')],
  };
}

/** The document of a page: one script with a nonce, one style sheet, nothing from the network. */
export function pageHtml(context: vscode.ExtensionContext, webview: vscode.Webview, page: Page): string {
  const nonce = randomBytes(16).toString('base64url');
  const dist = (file: string): string =>
    webview.asWebviewUri(vscode.Uri.joinPath(context.extensionUri, 'dist', file)).toString();
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src ${webview.cspSource}`,
    `img-src ${webview.cspSource} data:`,
    `font-src ${webview.cspSource}`,
  ].join('; ');
  return `<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="${policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>${page.title}</title>
<link rel="stylesheet" href="${dist(`${page.bundle}.css`)}">
</head>
<body>
<script nonce="${nonce}" src="${dist(`${page.bundle}.js`)}"></script>
</body>
</html>`;
}
