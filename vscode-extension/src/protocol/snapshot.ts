// Written by scripts/schemas.mjs from schemas/snapshot.schema.json.

/**
 * Body of `hvdap/snapshot`.
 */
export interface Snapshot {
  /**
   * Its size.
   */
  bytes: number;
  /**
   * The file.
   */
  path: string;
}
