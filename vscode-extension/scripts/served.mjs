// The page that `hvdap trace view` serves: page/schedule.js and page/schedule.css, committed and readable, so that building hvdap needs no Node.

/** How esbuild makes it. */
export const served = {
  bundle: true,
  target: 'es2022',
  charset: 'utf8',
  legalComments: 'none',
  logLevel: 'warning',
  entryPoints: { schedule: 'src/schedule/page.ts' },
  outdir: 'page',
  platform: 'browser',
  format: 'iife',
};
