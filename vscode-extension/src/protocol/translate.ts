// Written by scripts/schemas.mjs from schemas/translate.schema.json.

/**
 * Body of `hvdap/translate`, and output of `hvdap translate --json`.
 */
export interface Translate {
  /**
   * The virtual address, in hexadecimal.
   */
  address: string;
  /**
   * Why it leads nowhere.
   */
  fault?: string;
  result?: Led;
  /**
   * Every descriptor that was read, in the order a processor reads them: the steps of stage 2 before one of stage 1 find the
   * table it lies in, those after the last of stage 1 translate its output. None where no table is used.
   */
  steps: Step[];
}
/**
 * Where it leads.
 */
export interface Led {
  /**
   * Whether either stage says that it is device memory.
   */
  device: boolean;
  /**
   * The intermediate physical address, in hexadecimal, where there is a stage 2.
   */
  ipa?: string;
  /**
   * The physical address, in hexadecimal.
   */
  pa: string;
  /**
   * What both stages together allow at each exception level: `EL1 rw-, EL0 ---`.
   */
  permissions: string;
  /**
   * Bytes from there that are mapped in one piece by both stages.
   */
  size: number;
}
/**
 * One descriptor. Addresses and the descriptor are in hexadecimal.
 */
export interface Step {
  /**
   * Its other fields, by the manual's names.
   */
  attributes: Attribute[];
  /**
   * The descriptor.
   */
  descriptor: string;
  /**
   * Where the descriptor lies, as who keeps the tables sees it: an intermediate address of stage 1 under a stage 2, else a
   * physical one.
   */
  descriptorAddress: string;
  /**
   * Why the walk ends here without an address.
   */
  failed?: string;
  /**
   * What this stage translates: a virtual address at stage 1, an intermediate one at stage 2.
   */
  input: string;
  /**
   * What it is.
   */
  kind: 'table' | 'block' | 'page' | 'invalid';
  /**
   * Level of the table, -1 to 3.
   */
  level: number;
  /**
   * The next table, or the first byte of the block or page.
   */
  output?: string;
  /**
   * Where the descriptor lies.
   */
  physicalAddress: string;
  /**
   * 1 or 2.
   */
  stage: number;
}
/**
 * A field of a descriptor.
 */
export interface Attribute {
  /**
   * As the manual calls it.
   */
  name: string;
  /**
   * Its bits, and what they say.
   */
  value: string;
}
