/** Where a target is, as `target.connect` says it. */
export type Place =
  | { kind: 'gdb'; host: string; port: number }
  | { kind: 'unix'; path: string }
  | { kind: 'snapshot'; path: string };

/** Reads `gdb:HOST:PORT`, `gdb:unix:PATH` or `snapshot:FILE`; a plain `HOST:PORT` is taken for the first. */
export function parsePlace(text: string): Place | undefined {
  const unix = /^gdb:unix:(.+)$/.exec(text)?.[1];
  if (unix !== undefined) {
    return { kind: 'unix', path: unix };
  }
  const snapshot = /^snapshot:(.+)$/.exec(text)?.[1];
  if (snapshot !== undefined) {
    return { kind: 'snapshot', path: snapshot };
  }
  const [, host, port] = /^(?:gdb:)?([^\s:]*|\[[0-9a-fA-F:]+\]):(\d{1,5})$/.exec(text) ?? [];
  if (host === undefined || Number(port) < 1 || Number(port) > 65535) {
    return undefined;
  }
  return { kind: 'gdb', host: host === '' ? '127.0.0.1' : host, port: Number(port) };
}

/** The text {@link parsePlace} reads. */
export function placeText(place: Place): string {
  switch (place.kind) {
    case 'gdb':
      return `gdb:${place.host}:${place.port}`;
    case 'unix':
      return `gdb:unix:${place.path}`;
    case 'snapshot':
      return `snapshot:${place.path}`;
  }
}
