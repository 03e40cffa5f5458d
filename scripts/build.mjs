// Bundles the command line into dist/: an entry, the program in one file, and the bytecode of what commands use of it.
import { execFileSync, spawnSync } from 'node:child_process';
import { chmodSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { build } from 'esbuild';

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
rmSync('dist', { recursive: true, force: true });
await build({
  entryPoints: {
    topoweave: 'src/cli/main.ts',
    program: 'src/cli/program.ts',
    // A thread of its own; see src/engine/netlink/namespace-team.ts.
    'namespace-worker': 'src/engine/netlink/namespace-worker.ts',
  },
  outdir: 'dist',
  bundle: true,
  format: 'cjs',
  platform: 'node',
  target: 'node20',
  // What the bytecode belongs to is one script: nothing is imported by Node itself.
  supported: { 'dynamic-import': false },
  define: {
    __VERSION__: JSON.stringify(version),
    'import.meta.url': '__url',
    'import.meta.dirname': '__dirname',
  },
  banner: { js: "const __url = require('node:url').pathToFileURL(__filename).href;" },
  logLevel: 'warning',
});
// package.json says that the files of this package are ES modules.
writeFileSync('dist/package.json', '{ "type": "commonjs" }\n');
chmodSync('dist/topoweave.js', 0o755);

// In a throw-away host, where it may apply a lab. Without it, everything works and starts a little slower.
const { status } = spawnSync(
  process.execPath,
  ['dist/topoweave.js', 'sandbox', '--', process.execPath, 'scripts/compile.mjs'],
  { stdio: ['ignore', 'ignore', 'inherit'] },
);
if (status !== 0) {
  process.stderr.write('no throw-away host here: only what needs no kernel is compiled ahead\n');
  execFileSync(process.execPath, ['scripts/compile.mjs']);
}
