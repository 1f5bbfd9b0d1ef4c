/** The canvas with the lanes: draws it when something changed, and turns what the pointer does into acts of the view. */
import { element } from './dom';
import { HoverCard } from './hover';
import { AXIS, NAMES, paint, Workspace } from './paint';
import { palette, type Palette } from './palette';
import { guestsOf, heightOf, laneAtHeight } from './rows';
import type { LaneInfo } from './model';
import type { View } from './view';
import { panned, tickAt, zoomed, type Viewport } from './viewport';

/** A wheel's notch zooms by so much. */
const NOTCH = 1.0016;
/** Less movement than this is a click. */
const STILL = 4;

type Drag = { kind: 'pan'; x: number; y: number; scrolled: number } | { kind: 'select'; from: number };

export class Stage {
  readonly root: HTMLElement;
  readonly canvas: HTMLCanvasElement;
  private readonly scroller: HTMLElement;
  private readonly spacer = element('div');
  private readonly card: HoverCard;
  private readonly workspace = new Workspace();
  private colours: Palette | undefined;
  private guests = '';
  private isDue = false;
  /** What was seen when the card was shown: it tells of nothing else. */
  private hovered: Viewport | undefined;
  private drag: (Drag & { startX: number; startY: number }) | undefined;

  constructor(private readonly view: View) {
    this.canvas = element('canvas', { tabindex: '0', role: 'application', 'aria-roledescription': 'schedule', 'aria-describedby': 'said' });
    this.canvas.setAttribute('aria-label', 'Schedule. Arrow keys move the cursor, question mark lists all keys; the table tells the same.');
    this.card = new HoverCard(view);
    this.scroller = element('div', { class: 'scroller', tabindex: '-1' }, this.spacer);
    this.root = element('div', { class: 'stage' }, this.scroller, this.canvas, this.card.root);
    new ResizeObserver(() => {
      this.resize();
    }).observe(this.root);
    view.onChange(() => {
      if (view.viewport !== this.hovered) {
        this.card.hide();
      }
      this.request();
    });
    this.listen();
  }

  /** Colours are read again, for the theme has changed. */
  themeChanged(): void {
    this.colours = undefined;
    this.request();
  }

  /** Draws before the screen is next refreshed. */
  request(): void {
    if (!this.isDue) {
      this.isDue = true;
      requestAnimationFrame(() => {
        this.isDue = false;
        this.draw();
      });
    }
  }

  /** The colours now. */
  palette(): Palette {
    const guests = guestsOf([...this.view.data.lanes.values()]);
    if (!this.colours || this.guests !== guests.join()) {
      [this.colours, this.guests] = [palette(this.root, guests), guests.join()];
    }
    return this.colours;
  }

  private draw(): void {
    const { view } = this;
    const { data } = view;
    this.spacer.style.height = `${heightOf(view.lines) + AXIS}px`;
    if (Math.abs(this.scroller.scrollTop - view.scrolled) >= 1) {
      this.scroller.scrollTop = view.scrolled;
    }
    const scene = {
      viewport: view.viewport,
      lines: view.seen(),
      scrolled: view.scrolled,
      picture: data.picture,
      behind: data.behind,
      palette: this.palette(),
      frequency: data.frequency,
      lanes: data.lanes,
      cursor: view.cursor,
      selection: view.selection,
      halt: view.halt,
      until: data.until,
    };
    paint(this.canvas, scene, this.workspace, devicePixelRatio);
  }

  private resize(): void {
    const { clientWidth: width, clientHeight: height } = this.scroller;
    [this.canvas.width, this.canvas.height] = [Math.round(width * devicePixelRatio), Math.round(height * devicePixelRatio)];
    [this.canvas.style.width, this.canvas.style.height] = [`${width}px`, `${height}px`];
    this.view.resize(Math.max(1, width - NAMES), Math.max(1, height - AXIS));
  }

  private listen(): void {
    const { canvas, view } = this;
    this.scroller.addEventListener('scroll', () => {
      if (Math.abs(this.scroller.scrollTop - view.scrolled) >= 1) {
        view.scroll(this.scroller.scrollTop);
      }
    });
    canvas.addEventListener('wheel', (event) => {
      this.wheel(event);
    });
    canvas.addEventListener('pointerdown', (event) => {
      this.press(event);
    });
    canvas.addEventListener('pointermove', (event) => {
      this.move(event);
    });
    canvas.addEventListener('pointerup', (event) => {
      this.release(event);
    });
    canvas.addEventListener('pointerleave', () => {
      this.card.hide();
    });
    canvas.addEventListener('dblclick', (event) => {
      this.frame(event);
    });
  }

  /** Zooms; sideways and with Shift it pans; over the names it scrolls the lanes. */
  private wheel(event: WheelEvent): void {
    event.preventDefault();
    const { view } = this;
    const lines = event.deltaMode === WheelEvent.DOM_DELTA_LINE ? 20 : 1;
    if (event.offsetX < NAMES) {
      view.scroll(view.scrolled + event.deltaY * lines);
      return;
    }
    const sideways = event.shiftKey ? event.deltaX + event.deltaY : event.deltaX;
    if (Math.abs(sideways) > Math.abs(event.shiftKey ? 0 : event.deltaY)) {
      view.pan((sideways * lines) / view.room.width);
      return;
    }
    view.isLive = false;
    view.look(zoomed(view.viewport, NOTCH ** (event.deltaY * lines), this.tick(event)));
  }

  private press(event: PointerEvent): void {
    if (event.button !== 0 || event.offsetX < NAMES) {
      return;
    }
    this.canvas.setPointerCapture(event.pointerId);
    this.card.hide();
    const start = { startX: event.offsetX, startY: event.offsetY };
    this.drag =
      event.shiftKey || event.offsetY < AXIS
        ? { kind: 'select', from: this.tick(event), ...start }
        : { kind: 'pan', x: event.offsetX, y: event.offsetY, scrolled: this.view.scrolled, ...start };
  }

  private move(event: PointerEvent): void {
    const { view, drag } = this;
    if (!drag) {
      this.hover(event);
    } else if (this.isStill(event)) {
      return;
    } else if (drag.kind === 'select') {
      view.select({ from: drag.from, to: this.tick(event) });
    } else {
      view.isLive = false;
      const by = (drag.x - event.offsetX) / view.room.width;
      view.scroll(drag.scrolled + drag.y - event.offsetY);
      view.look(panned(view.viewport, by));
      drag.x = event.offsetX;
    }
  }

  private release(event: PointerEvent): void {
    const wasStill = this.drag && this.isStill(event);
    this.drag = undefined;
    const lane = this.lane(event);
    if (!wasStill || event.offsetX < NAMES) {
      return;
    }
    if (!lane) {
      this.view.select(undefined);
      return;
    }
    this.view.place({ lane: lane.lane, time: this.tick(event) });
    this.view.focus(lane);
  }

  private isStill(event: PointerEvent): boolean {
    return this.drag !== undefined && Math.abs(event.offsetX - this.drag.startX) + Math.abs(event.offsetY - this.drag.startY) < STILL;
  }

  private hover(event: PointerEvent): void {
    const lane = this.lane(event);
    if (!lane || event.offsetX < NAMES) {
      this.card.hide();
      return;
    }
    this.hovered = this.view.viewport;
    const room = { width: this.scroller.clientWidth, height: this.scroller.clientHeight };
    this.card.show(lane, this.tick(event), { x: event.offsetX, y: event.offsetY }, room);
  }

  /** Makes what was double-clicked the selection, and shows it large. */
  private frame(event: MouseEvent): void {
    const lane = this.lane(event);
    const hit = lane && event.offsetX >= NAMES ? this.view.at({ lane: lane.lane, time: this.tick(event) }) : undefined;
    if (hit) {
      this.view.select(hit);
      this.view.look({ from: hit.from - (hit.to - hit.from), to: hit.to + (hit.to - hit.from) });
    }
  }

  private tick(event: MouseEvent): number {
    return tickAt(this.view.viewport, this.view.room.width, event.offsetX - NAMES);
  }

  private lane(event: MouseEvent): LaneInfo | undefined {
    return event.offsetY < AXIS ? undefined : laneAtHeight(this.view.lines, event.offsetY - AXIS + this.view.scrolled);
  }
}
