// Written by scripts/schemas.mjs from schemas/snapshot.arguments.schema.json.

/**
 * Arguments of `hvdap/snapshot`.
 */
export interface SnapshotArguments {
  /**
   * The file, from the root of the file system; compressed when the name ends in `.zst`, overwritten when it exists.
   */
  path: string;
}
