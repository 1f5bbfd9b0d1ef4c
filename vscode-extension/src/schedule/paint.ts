/** Draws a frame of the view on a canvas. Holds nothing from one frame to the next but memory to draw in. */
import { fillRow, MARK, Row, spanAt, type LaneInfo, type LanePicture, type Picture } from './model';
import type { Palette } from './palette';
import { drawHalts, drawLane, drawMark, type Band, type ColourOf, type Raster } from './raster';
import { labelOf, type Line } from './rows';
import { ALARMING, NOBODY, NOTED, RUNNING } from './span';
import { axisTicks } from './time';
import { pixelOf, type Viewport } from './viewport';

/** Everything that a frame shows. */
export interface Scene {
  readonly viewport: Viewport;
  /** The lines that are seen, at their heights from the top of all. */
  readonly lines: readonly Line[];
  readonly scrolled: number;
  readonly picture: Picture;
  /** All of the time, in less detail: behind the picture while that is on its way. */
  readonly behind: Picture;
  readonly palette: Palette;
  readonly frequency: number;
  readonly lanes: ReadonlyMap<number, LaneInfo>;
  /** Which lane has the keyboard's cursor, and when. */
  readonly cursor: { lane: number; time: number } | undefined;
  readonly selection: Viewport | undefined;
  /** Where the machine stands halted. */
  readonly halt: number | undefined;
  readonly until: number;
}

/** The height of the axis and the width of the names, in CSS pixels. */
export const AXIS = 24;
export const NAMES = 128;

const MARKS = 4;
/** Marks that are nearer to each other than this many pixels are drawn only where they say something of their own. */
const APART = 8;
const BODY = 15;

/** Memory to draw in, as large as the canvas. */
export class Workspace {
  private image = new ImageData(1, 1);
  private row = new Row(1);

  /** The pixels of the lanes, all of one colour. */
  raster(width: number, height: number, background: number): { raster: Raster; image: ImageData } {
    if (this.image.width !== width || this.image.height !== height) {
      this.image = new ImageData(Math.max(1, width), Math.max(1, height));
    }
    const pixels = new Uint32Array(this.image.data.buffer);
    pixels.fill(background);
    return { raster: { width: this.image.width, height: this.image.height, pixels }, image: this.image };
  }

  /** A row of cells this wide. */
  cells(width: number): Row {
    if (this.row.width !== width) {
      this.row = new Row(width);
    }
    return this.row;
  }
}

/** Draws a frame. `scale` is device pixels for each CSS pixel. */
export function paint(canvas: HTMLCanvasElement, scene: Scene, workspace: Workspace, scale: number): void {
  const context = canvas.getContext('2d', { alpha: false });
  if (!context || canvas.width === 0 || canvas.height === 0) {
    return;
  }
  const [width, height] = [canvas.width / scale, canvas.height / scale];
  const { raster, image } = workspace.raster(canvas.width, canvas.height, scene.palette.backgroundPixel);
  drawPixels(raster, scene, workspace, scale);
  context.setTransform(1, 0, 0, 1, 0, 0);
  context.putImageData(image, 0, 0);
  context.setTransform(scale, 0, 0, scale, 0, 0);
  context.font = scene.palette.font;
  context.textBaseline = 'middle';
  paintAxis(context, scene, width, height);
  paintLines(context, scene, width, height);
  paintLabels(context, scene, width);
  paintNames(context, scene, height);
}

function drawPixels(raster: Raster, scene: Scene, workspace: Workspace, scale: number): void {
  const left = Math.round(NAMES * scale);
  const row = workspace.cells(Math.max(1, raster.width - left));
  const { viewport, picture, behind, palette } = scene;
  for (const line of scene.lines) {
    const band = bandOf(line, scene, scale);
    if (line.kind === 'heading' || band.top < 0 || band.top + band.marks + band.body > raster.height) {
      continue;
    }
    fillRow(row, line.lane.lane, viewport, picture, behind);
    drawLane(raster, left, band, row, colours(line.lane, scene), palette);
    marksOf(picture.lanes.get(line.lane.lane), picture, viewport, row.width, (x, kinds) => {
      drawMark(raster, left + x, band, kinds, palette);
    });
  }
  fillRow(row, 0, viewport, picture, behind);
  drawHalts(raster, left, Math.round(AXIS * scale), row, palette);
}

function bandOf(line: Line, scene: Scene, scale: number): Band {
  const top = Math.round((AXIS + line.y - scene.scrolled + 1) * scale);
  return { top, marks: Math.round(MARKS * scale), body: Math.round(BODY * scale) };
}

/** A core's time has the colour of the VM that it carries, everybody else's their own. */
function colours(lane: LaneInfo, { palette, lanes }: Scene): ColourOf {
  if (lane.kind !== 'pcpu') {
    const own = palette.vm(lane.guest);
    return () => own;
  }
  return (party) => palette.vm(lanes.get(party)?.guest);
}

/** The columns in which there are marks, with a bit for each kind. */
function marksOf(lane: LanePicture | undefined, picture: Picture, viewport: Viewport, width: number, draw: (x: number, kinds: number) => void): void {
  const put = (tick: number, kinds: number) => {
    const x = Math.floor(pixelOf(viewport, width, tick));
    if (x >= 0 && x < width) {
      draw(x, kinds);
    }
  };
  if (lane?.marks) {
    const shown = lane.marks.length / MARK > width / APART ? ALARMING | NOTED : -1;
    for (let at = 0; at < lane.marks.length; at += MARK) {
      const kind = 1 << (lane.marks[at + 1] ?? 0);
      if ((kind & shown) !== 0) {
        put(lane.marks[at] ?? 0, kind);
      }
    }
  } else if (lane?.counts) {
    const length = (picture.to - picture.from) / (lane.counts.length / 2);
    for (let cell = 0; cell * 2 < lane.counts.length; cell++) {
      const kinds = (lane.counts[cell * 2 + 1] ?? 0) & (ALARMING | NOTED);
      if (kinds !== 0) {
        put(picture.from + (cell + 0.5) * length, kinds);
      }
    }
  }
}

/** Who a core carries, where there is room to write it. */
function paintLabels(context: CanvasRenderingContext2D, scene: Scene, width: number): void {
  const room = width - NAMES;
  for (const line of scene.lines) {
    const lane = line.kind === 'lane' ? scene.picture.lanes.get(line.lane.lane) : undefined;
    if (line.kind === 'heading' || line.lane.kind !== 'pcpu' || !lane?.spans) {
      continue;
    }
    const { spans } = lane;
    const y = AXIS + line.y - scene.scrolled + 1 + MARKS + BODY / 2;
    const x = (tick: number) => pixelOf(scene.viewport, room, tick);
    for (let span = spanAt(spans, scene.viewport.from); span < spans.states.length && x(spans.starts[span] ?? 0) < room; span++) {
      const [from, to] = [Math.max(0, x(spans.starts[span] ?? 0)), Math.min(room, x(spans.starts[span + 1] ?? 0))];
      const carried = scene.lanes.get(spans.parties[span] ?? NOBODY);
      if (spans.states[span] !== RUNNING || to - from < 24 || !carried) {
        continue;
      }
      const text = shortened(context, carried.name, to - from - 8);
      context.fillStyle = scene.palette.vm(carried.guest).text;
      context.fillText(text, NAMES + from + 4, y);
    }
  }
}

/** A name cut so that it fits, its number kept; empty where nothing of it would be left. */
function shortened(context: CanvasRenderingContext2D, name: string, room: number): string {
  if (context.measureText(name).width <= room) {
    return name;
  }
  const end = /\/\d+$/u.exec(name)?.[0] ?? '';
  const letters = Array.from(name.slice(0, name.length - end.length));
  let [low, high] = [0, letters.length];
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (context.measureText(`${letters.slice(0, middle).join('')}…${end}`).width <= room) {
      low = middle;
    } else {
      high = middle - 1;
    }
  }
  return low > 0 ? `${letters.slice(0, low).join('')}…${end}` : '';
}

/** Selection, cursor, the end of what is known, and where the machine stands. */
function paintLines(context: CanvasRenderingContext2D, scene: Scene, width: number, height: number): void {
  const { palette, viewport, selection, cursor } = scene;
  const x = (tick: number) => NAMES + pixelOf(viewport, width - NAMES, tick);
  const upright = (tick: number, colour: string, dash: number[]) => {
    context.strokeStyle = colour;
    context.setLineDash(dash);
    context.beginPath();
    context.moveTo(Math.round(x(tick)) + 0.5, AXIS);
    context.lineTo(Math.round(x(tick)) + 0.5, height);
    context.stroke();
    context.setLineDash([]);
  };
  context.lineWidth = 1;
  if (selection) {
    context.globalAlpha = 0.18;
    context.fillStyle = palette.accent;
    context.fillRect(x(selection.from), AXIS, x(selection.to) - x(selection.from), height - AXIS);
    context.globalAlpha = 1;
    upright(selection.from, palette.accent, []);
    upright(selection.to, palette.accent, []);
  }
  upright(scene.until, palette.dim, [2, 3]);
  if (scene.halt !== undefined) {
    context.lineWidth = 2;
    upright(scene.halt, palette.alarm, []);
    context.lineWidth = 1;
  }
  if (cursor) {
    upright(cursor.time, palette.text, [4, 3]);
    const line = scene.lines.find((one) => one.kind === 'lane' && one.lane.lane === cursor.lane);
    if (line) {
      context.strokeStyle = palette.accent;
      context.strokeRect(NAMES + 0.5, AXIS + line.y - scene.scrolled + 0.5, width - NAMES - 1, line.height - 1);
    }
  }
}

function paintNames(context: CanvasRenderingContext2D, scene: Scene, height: number): void {
  const { palette } = scene;
  context.fillStyle = palette.background;
  context.fillRect(0, AXIS, NAMES, height - AXIS);
  for (const line of scene.lines) {
    const y = AXIS + line.y - scene.scrolled;
    if (line.kind === 'heading') {
      paintHeading(context, scene, line.title, line.guest, y, line.height);
      continue;
    }
    const isAtCursor = scene.cursor?.lane === line.lane.lane;
    context.fillStyle = isAtCursor ? palette.accent : palette.text;
    const text = shortened(context, labelOf(line.lane), NAMES - 22);
    context.fillText(text, 16, y + 1 + MARKS + BODY / 2);
  }
  context.fillStyle = palette.line;
  context.fillRect(NAMES - 1, AXIS, 1, height - AXIS);
}

function paintHeading(context: CanvasRenderingContext2D, scene: Scene, title: string, guest: number | undefined, y: number, height: number): void {
  const { palette } = scene;
  if (guest !== undefined) {
    context.fillStyle = palette.vm(guest).css;
    context.fillRect(6, y + height / 2 - 3, 8, 8);
  }
  context.font = `bold ${palette.font}`;
  context.fillStyle = palette.text;
  context.fillText(shortened(context, title, NAMES - 24), guest === undefined ? 6 : 18, y + height / 2 + 1);
  context.font = palette.font;
}

function paintAxis(context: CanvasRenderingContext2D, scene: Scene, width: number, height: number): void {
  const { palette, viewport, frequency } = scene;
  const room = width - NAMES;
  context.fillStyle = palette.heading;
  context.fillRect(0, 0, width, AXIS - 1);
  context.fillStyle = palette.line;
  context.fillRect(0, AXIS - 1, width, 1);
  const [from, to] = [viewport.from / frequency, viewport.to / frequency];
  const widest = context.measureText(axisTicks(from, to, 2).at(-1)?.label ?? '0.000 s').width + 40;
  for (const tick of axisTicks(from, to, Math.max(1, Math.floor(room / widest)))) {
    const x = NAMES + Math.round(pixelOf(viewport, room, tick.time * frequency));
    context.fillStyle = palette.line;
    context.globalAlpha = 0.35;
    context.fillRect(x, AXIS, 1, height - AXIS);
    context.globalAlpha = 1;
    context.fillRect(x, AXIS - 6, 1, 6);
    if (x + 4 + context.measureText(tick.label).width < width) {
      context.fillStyle = palette.text;
      context.fillText(tick.label, x + 4, AXIS / 2);
    }
  }
}
