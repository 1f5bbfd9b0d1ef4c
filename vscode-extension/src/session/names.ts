/** Names that come from a target are shown as they are written, whatever they contain. */

/** The most characters of a name that are shown. */
const LONGEST = 120;

/** Characters that are no text: controls, and those that turn the direction of what follows. */
// eslint-disable-next-line no-control-regex -- they are what is looked for
const UNPRINTABLE = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u2028-\u202e\u2066-\u2069]/g;

/** A name for a label that is shown as plain text. */
export function plain(name: string): string {
  const printable = name.replace(UNPRINTABLE, '\ufffd');
  return printable.length > LONGEST ? `${printable.slice(0, LONGEST - 1)}…` : printable;
}

/** A name for a label in which VS Code draws `$(icon)`: the status bar, quick picks. */
export function withoutIcons(name: string): string {
  return plain(name).replace(/\$\([A-Za-z0-9-]+(?:~[A-Za-z]+)?\)/g, '\\$&');
}
