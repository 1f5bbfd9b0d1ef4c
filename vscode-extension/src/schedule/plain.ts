/** Names as they may be shown beside others. */

/** Signs that are not seen but turn or break the text around them: controls, and those of Unicode's bidirectional algorithm. */
// eslint-disable-next-line no-control-regex
const UNSEEN = /[\u0000-\u001f\u007f-\u009f\u200e\u200f\u061c\u202a-\u202e\u2066-\u2069]/gu;

/** A text in which every sign is seen. */
export function plain(text: string): string {
  return text.replace(UNSEEN, '\ufffd');
}
