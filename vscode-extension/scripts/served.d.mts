import type { BuildOptions } from 'esbuild';

export const served: BuildOptions;
