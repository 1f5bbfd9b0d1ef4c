/** Finds the program `hvdap`: where the user says, packed with the extension, or on the search path. */

import { execFile } from 'node:child_process';
import { constants } from 'node:fs';
import { access } from 'node:fs/promises';
import { delimiter, isAbsolute, join } from 'node:path';
import { isAtLeast, parseVersion, type Version } from './version.js';

/** How long `hvdap --version` may take, in milliseconds. */
const PATIENCE = 10_000;

/** Where to look. */
export interface Places {
  /** The setting `hvdap.path`; empty when the user says nothing. */
  setting: string;
  /** The program packed with the extension, whether there or not. */
  bundled: string;
  /** The variable `PATH`. */
  searchPath: string;
}

/** A program that can be used. */
export interface Binary {
  path: string;
  version: Version;
}

/** Why no program can be used, for the user to read. */
export class NoBinary extends Error {}

/**
 * The program to use: the setting's and no other when there is one, else the first that is there.
 *
 * @throws {NoBinary} there is none, it cannot be run, or it is older than `oldest`.
 */
export async function findBinary(places: Places, oldest: Version): Promise<Binary> {
  const path = await whichIsThere(places);
  const version = parseVersion(await versionText(path));
  if (version === undefined) {
    throw new NoBinary(`${path} does not say a version: it is not hvdap, or a broken one.`);
  }
  if (!isAtLeast(version, oldest)) {
    throw new NoBinary(
      `${path} is hvdap ${version.join('.')}; this extension needs ${oldest.join('.')} or newer. Update it, or let the setting hvdap.path name a newer one.`,
    );
  }
  return { path, version };
}

async function whichIsThere(places: Places): Promise<string> {
  if (places.setting !== '') {
    if (!(await isProgram(places.setting))) {
      throw new NoBinary(`The setting hvdap.path names ${places.setting}, which is not there or cannot be run.`);
    }
    return places.setting;
  }
  const onPath = places.searchPath
    .split(delimiter)
    .filter((folder) => isAbsolute(folder))
    .map((folder) => join(folder, 'hvdap'));
  for (const path of [places.bundled, ...onPath]) {
    if (await isProgram(path)) {
      return path;
    }
  }
  throw new NoBinary(
    'The program hvdap is not packed with this extension and not on the search path. Let the setting hvdap.path name it.',
  );
}

async function isProgram(path: string): Promise<boolean> {
  try {
    await access(path, constants.X_OK);
    return true;
  } catch {
    return false;
  }
}

function versionText(path: string): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(path, ['--version'], { timeout: PATIENCE, maxBuffer: 65_536 }, (error, stdout) => {
      if (error) {
        reject(new NoBinary(`${path} cannot be run: ${error.message.split('\n')[0] ?? ''}`));
      } else {
        resolve(stdout);
      }
    });
  });
}
