/** Names that package.json and the code share. */

/** The debugger's type in launch.json. */
export const TYPE = 'hvdap';

/** The usual name of a machine file. */
export const MACHINE_FILE = 'hvdap.toml';
