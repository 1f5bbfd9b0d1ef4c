/** The strip above the lanes: all of the time, the cores' load by VM, and which part of it is seen. */
import { element } from './dom';
import { CELL, fillRow, FULL, Row, type Picture } from './model';
import { NAMES } from './paint';
import type { Palette } from './palette';
import { HYPERVISOR, OFFLINE, RUNNING } from './span';
import type { Stage } from './stage';
import type { View } from './view';
import { pixelOf, tickAt, whole, type Viewport } from './viewport';

const HEIGHT = 34;

export class Overview {
  readonly canvas = element('canvas', { class: 'overview', 'aria-hidden': 'true', height: String(HEIGHT) });
  /** The load, drawn once for each answer. */
  private readonly load = element('canvas');
  private drawn: { behind?: Picture; palette?: Palette } = {};
  private row = new Row(1);
  private isDue = false;
  private isDragging = false;

  constructor(
    private readonly view: View,
    private readonly stage: Stage,
  ) {
    view.onChange(() => {
      this.request();
    });
    const { canvas } = this;
    canvas.addEventListener('pointerdown', (event) => {
      canvas.setPointerCapture(event.pointerId);
      this.isDragging = true;
      this.centre(event);
    });
    canvas.addEventListener('pointermove', (event) => {
      if (this.isDragging) {
        this.centre(event);
      }
    });
    canvas.addEventListener('pointerup', () => {
      this.isDragging = false;
    });
  }

  private request(): void {
    if (!this.isDue) {
      this.isDue = true;
      requestAnimationFrame(() => {
        this.isDue = false;
        this.draw();
      });
    }
  }

  private all(): Viewport {
    return whole(this.view.data.until);
  }

  private centre(event: PointerEvent): void {
    const middle = tickAt(this.all(), this.view.room.width, event.offsetX - NAMES);
    const half = (this.view.viewport.to - this.view.viewport.from) / 2;
    this.view.isLive = false;
    this.view.look({ from: middle - half, to: middle + half });
  }

  private draw(): void {
    const { view, canvas } = this;
    const scale = devicePixelRatio;
    const [room, height] = [Math.max(1, Math.round(view.room.width)), HEIGHT];
    const [wide, high] = [Math.round((room + NAMES) * scale), Math.round(height * scale)];
    if (canvas.width !== wide || canvas.height !== high) {
      [canvas.width, canvas.height] = [wide, high];
      canvas.style.width = `${room + NAMES}px`;
    }
    const context = canvas.getContext('2d', { alpha: false });
    if (!context) {
      return;
    }
    const palette = this.stage.palette();
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.fillStyle = palette.heading;
    context.fillRect(0, 0, room + NAMES, height);
    context.fillStyle = palette.dim;
    context.font = palette.font;
    context.textBaseline = 'middle';
    context.fillText('All', 6, height / 2);
    if (this.drawn.behind !== view.data.behind || this.drawn.palette !== palette || this.load.width !== room) {
      this.drawn = { behind: view.data.behind, palette };
      this.drawLoad(room);
    }
    context.drawImage(this.load, NAMES, 0);
    const [from, to] = [pixelOf(this.all(), room, view.viewport.from), pixelOf(this.all(), room, view.viewport.to)];
    context.strokeStyle = palette.accent;
    context.lineWidth = 2;
    context.strokeRect(NAMES + Math.max(1, from), 1, Math.max(3, Math.min(to, room - 1) - Math.max(1, from)), height - 2);
  }

  /** For each pixel, what part of the cores ran whom, one VM above the other. */
  private drawLoad(room: number): void {
    const { data } = this.view;
    [this.load.width, this.load.height] = [room, HEIGHT];
    const context = this.load.getContext('2d');
    if (!context) {
      return;
    }
    const cores = [...data.behind.lanes.values()].filter((lane) => lane.info.kind === 'pcpu');
    if (this.row.width !== room) {
      this.row = new Row(room);
    }
    const levels = new Float64Array(room);
    const palette = this.stage.palette();
    const most = HEIGHT - 4;
    for (const core of cores) {
      fillRow(this.row, core.info.lane, this.all(), data.behind, data.behind);
      for (let x = 0; x < room; x++) {
        const at = x * CELL;
        const share = ((this.row.cells[at + 2 + RUNNING] ?? 0) + (this.row.cells[at + 2 + HYPERVISOR] ?? 0)) / FULL / cores.length;
        if (share > 0) {
          const level = levels[x] ?? 0;
          context.fillStyle = palette.vm(data.lanes.get(this.row.cells[at + 1] ?? 0)?.guest).css;
          context.fillRect(x, HEIGHT - 2 - (level + share) * most, 1, share * most);
          levels[x] = level + share;
        }
      }
    }
    fillRow(this.row, 0, this.all(), data.behind, data.behind);
    context.fillStyle = palette.dim;
    for (let x = 0; x < room; x++) {
      if (((this.row.cells[x * CELL] ?? 0) & (1 << OFFLINE)) !== 0) {
        context.fillRect(x, 0, 1, 3);
      }
    }
  }
}
