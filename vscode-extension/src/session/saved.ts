import { readFile } from 'node:fs/promises';
import type { Launch } from '../protocol/launch.js';

/**
 * Whether a configuration attaches to a saved halt, of which nothing will ever change.
 *
 * The adapter opens the target; this only looks at what it is called.
 */
export async function isSavedHalt({ target, machine }: Pick<Launch, 'target' | 'machine'>): Promise<boolean> {
  if (target !== undefined) {
    return target.startsWith('snapshot:');
  }
  if (typeof machine !== 'string') {
    return machine?.target?.connect?.startsWith('snapshot:') === true;
  }
  // No more of TOML is needed than its one key of that name.
  const text = await readFile(machine, 'utf8').catch(() => '');
  return /^\s*connect\s*=\s*["']snapshot:/m.test(text);
}
