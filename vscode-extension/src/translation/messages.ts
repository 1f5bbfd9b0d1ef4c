import type { Translate } from '../protocol/translate.js';

/** From the panel's host to its page. */
export type ToPage =
  | { show: Translate; who: string }
  /** The request was refused. */
  | { error: string; who: string };

/** From the page to its host. */
export type ToHost =
  | { ready: true }
  /** The user typed an address. */
  | { translate: string };
