/** The schedule view's page: the same in a webview and as served by `hvdap trace view`. Starts everything and puts it in its place. */
import './schedule.css';
import { Details } from './details';
import { element } from './dom';
import { helpDialog, pressed } from './keys';
import { Overview } from './overview';
import { source } from './source';
import { Stage } from './stage';
import { Status } from './status';
import { Toolbar } from './toolbar';
import { View } from './view';

function start(): void {
  const view = new View(source());
  const stage = new Stage(view);
  const overview = new Overview(view, stage);
  const details = new Details(view);
  const dialog = helpDialog();
  const help = () => {
    dialog.showModal();
  };
  const toolbar = new Toolbar(view, details, help);
  const status = new Status(view);
  const page = element('div', { class: 'schedule' }, toolbar.root, overview.canvas, stage.root, details.root, status.root, dialog);
  document.body.append(page);
  document.title = 'Schedule';

  document.addEventListener('keydown', (event) => {
    const isTyping = event.target instanceof HTMLInputElement || event.target instanceof HTMLSelectElement || dialog.open;
    // Space and Enter press the button that has the focus.
    const isPressing = event.target instanceof HTMLButtonElement && event.key === 'Enter';
    if (!isTyping && !isPressing && pressed(event, view, details, toolbar, help)) {
      event.preventDefault();
    }
  });
  const themeChanged = () => {
    stage.themeChanged();
    view.look(view.viewport);
  };
  matchMedia('(prefers-color-scheme: dark)').addEventListener('change', themeChanged);
  matchMedia('(prefers-contrast: more)').addEventListener('change', themeChanged);
  // VS Code changes the classes and the variables of the page when the theme changes.
  new MutationObserver(themeChanged).observe(document.body, { attributes: true, attributeFilter: ['class', 'data-vscode-theme-id'] });
  new MutationObserver(themeChanged).observe(document.documentElement, { attributes: true, attributeFilter: ['style'] });
  void view.open();
}

start();
