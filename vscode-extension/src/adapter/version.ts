/** Major, minor and patch. */
export type Version = readonly [number, number, number];

/** Reads the version out of `1.2.3`, or of what `hvdap --version` prints. */
export function parseVersion(text: string): Version | undefined {
  const [, major, minor, patch] = /^(?:hvdap )?v?(\d{1,6})\.(\d{1,6})\.(\d{1,6})\b/.exec(text.trim()) ?? [];
  return major === undefined ? undefined : [Number(major), Number(minor), Number(patch)];
}

/** Whether `have` is `want` or newer. */
export function isAtLeast(have: Version, want: Version): boolean {
  for (const [index, wanted] of want.entries()) {
    const difference = (have[index] ?? 0) - wanted;
    if (difference !== 0) {
      return difference > 0;
    }
  }
  return true;
}
