import { writeSync } from 'node:fs';
import { doRounds, type Series } from './rounds.ts';

/** What runs in the throw-away host: one series; each report is a line of JSON. */
const series = JSON.parse(process.argv[2] ?? '{}') as Series;
const say = (message: object) => writeSync(1, `${JSON.stringify(message)}\n`);
try {
  const done = await doRounds(series, (report) => say({ report }));
  say({ done });
} catch (error) {
  say({ broken: error instanceof Error ? error.stack : String(error) });
  process.exitCode = 1;
}
