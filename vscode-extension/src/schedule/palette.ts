/** The colours of the view: the theme's for text and lines, a palette that colour-blind people can tell apart for VMs. */

/** A colour as a number that is one pixel of an `ImageData` on little-endian machines: alpha, blue, green, red. */
export type Pixel = number;

/** All colours of a picture. */
export interface Palette {
  readonly background: string;
  readonly text: string;
  readonly dim: string;
  readonly line: string;
  readonly accent: string;
  readonly alarm: string;
  readonly heading: string;
  readonly backgroundPixel: Pixel;
  readonly dimPixel: Pixel;
  readonly alarmPixel: Pixel;
  readonly notePixel: Pixel;
  readonly hatchPixel: Pixel;
  readonly haltPixel: Pixel;
  readonly font: string;
  /** A VM's colour by its number, and a core's that carries nobody known. */
  vm(guest: number | undefined): VmColour;
}

/** A VM's colour: for what runs, for what runs in the hypervisor on its behalf, and for text upon it. */
export interface VmColour {
  readonly css: string;
  readonly pixel: Pixel;
  readonly darker: Pixel;
  readonly text: string;
}

type Rgb = readonly [number, number, number];

// Okabe and Ito's, the lighter ones darker on light backgrounds. VMs take them in their order.
const ON_DARK: readonly Rgb[] = [[86, 180, 233], [230, 159, 0], [0, 178, 134], [204, 121, 167], [240, 228, 66], [232, 112, 52], [120, 140, 240]];
const ON_LIGHT: readonly Rgb[] = [[0, 114, 178], [213, 94, 0], [0, 138, 100], [176, 78, 132], [148, 124, 0], [86, 160, 215], [90, 70, 190]];
/** Of the first VM, which controls the others. */
const CONTROL: readonly [Rgb, Rgb] = [[150, 158, 170], [105, 113, 125]];

/** Reads the theme as it is now. `guests` are the VMs there are, by number. */
export function palette(element: Element, guests: readonly number[]): Palette {
  const style = getComputedStyle(element);
  const read = (name: string) => style.getPropertyValue(name).trim();
  const rgb = (name: string) => rgbOf(read(name));
  const background = rgb('--schedule-background');
  const isDark = luminance(background) < 0.4;
  const others = guests.filter((guest) => guest !== 0);
  const made = (guest: number | undefined): VmColour => {
    if (guest === undefined || guest === 0) {
      return vmColour(isDark ? CONTROL[0] : CONTROL[1]);
    }
    const colours = isDark ? ON_DARK : ON_LIGHT;
    const number = Math.max(0, others.indexOf(guest));
    const round = Math.floor(number / colours.length);
    const colour = colours[number % colours.length] ?? [128, 128, 128];
    return vmColour(round === 0 ? colour : mixed(colour, background, 0.25 * (1 + ((round - 1) % 2))));
  };
  const known = new Map(guests.map((guest) => [guest as number | undefined, made(guest)]));
  const nobody = made(undefined);
  return {
    background: css(background),
    text: read('--schedule-text'),
    dim: read('--schedule-dim'),
    line: read('--schedule-line'),
    accent: read('--schedule-accent'),
    alarm: read('--schedule-alarm'),
    heading: read('--schedule-heading'),
    backgroundPixel: pixel(background),
    dimPixel: pixel(mixed(rgb('--schedule-dim'), background, 0.45)),
    alarmPixel: pixel(rgb('--schedule-alarm')),
    notePixel: pixel(rgb('--schedule-accent')),
    hatchPixel: pixel(rgb('--schedule-alarm')),
    haltPixel: pixel(rgb('--schedule-dim')),
    font: `11px ${read('--schedule-font')}`,
    vm: (guest) => known.get(guest) ?? nobody,
  };
}

function vmColour(colour: Rgb): VmColour {
  const darker = mixed(colour, [0, 0, 0], 0.4);
  return { css: css(colour), pixel: pixel(colour), darker: pixel(darker), text: luminance(colour) > 0.18 ? '#000000' : '#ffffff' };
}

/** Reads `#rgb`, `#rrggbb`, `#rrggbbaa`, `rgb(…)` and `rgba(…)`: what themes give. Grey where it is something else. */
export function rgbOf(text: string): Rgb {
  const short = /^#([\da-f])([\da-f])([\da-f])$/iu.exec(text);
  if (short) {
    return triple(short.slice(1).map((digit) => parseInt(digit + digit, 16)));
  }
  const long = /^#([\da-f]{2})([\da-f]{2})([\da-f]{2})/iu.exec(text);
  if (long) {
    return triple(long.slice(1).map((digits) => parseInt(digits, 16)));
  }
  const numbers = /^rgba?\(\s*([\d.]+)[\s,]+([\d.]+)[\s,]+([\d.]+)/iu.exec(text);
  return numbers ? triple(numbers.slice(1).map(Number)) : [128, 128, 128];
}

function triple([red = 128, green = 128, blue = 128]: number[]): Rgb {
  return [red, green, blue];
}

function mixed(colour: Rgb, other: Rgb, part: number): Rgb {
  return triple(colour.map((value, at) => Math.round(value * (1 - part) + (other[at] ?? 0) * part)));
}

function css([red, green, blue]: Rgb): string {
  return `rgb(${red}, ${green}, ${blue})`;
}

function pixel([red, green, blue]: Rgb): Pixel {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

/** How bright a colour looks, 0 to 1 (WCAG 2's relative luminance). */
export function luminance(colour: Rgb): number {
  const [red = 0, green = 0, blue = 0] = colour.map((value) => {
    const part = value / 255;
    return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
  });
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
}
