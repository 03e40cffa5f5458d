// attack.mjs [options]: the long attack, `npm run test:long`; see docs/reliability.md. It is TypeScript, and has the loader and
// the planner in it for the fuzzers, so it is built first.
import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';

const folder = mkdtempSync(join(tmpdir(), 'topoweave-attack-'));
await build({
  entryPoints: {
    main: 'test/attack/main.ts',
    worker: 'test/attack/worker.ts',
    fuzz: 'test/attack/fuzz/worker.ts',
  },
  outdir: folder,
  outExtension: { '.js': '.mjs' },
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  banner: {
    js: "import { createRequire as requireFrom } from 'node:module'; const require = requireFrom(import.meta.url);",
  },
  logLevel: 'warning',
});
const child = spawn(process.execPath, [join(folder, 'main.mjs'), folder, ...process.argv.slice(2)], {
  stdio: 'inherit',
});
// Ctrl-C reaches both; the child ends its own.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal));
child.on('exit', (code) => {
  rmSync(folder, { recursive: true, force: true });
  process.exitCode = code ?? 1;
});
