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
    // A thread of its own; see src/engine/netlink/namespace-stock.ts.
    'namespace-worker': 'src/engine/netlink/namespace-worker.ts',
    // A process of its own; see src/engine/netlink/nft-process.ts.
    'nft-helper': 'src/engine/netlink/nft-helper-main.ts',
    // For scripts/compile.mjs.
    'load-compiled': 'src/cli/load-compiled.ts',
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

// In a throw-away host, where a lab may be applied. Without bytecode everything works, and starts a little later.
const sandbox = ['dist/topoweave.js', 'sandbox', '--', process.execPath, 'scripts/compile.mjs', 'kernel'];
const { status } = spawnSync(process.execPath, sandbox, { stdio: ['ignore', 'ignore', 'inherit'] });
if (status !== 0) {
  process.stderr.write('a lab cannot be applied in a throw-away host here: less is compiled ahead\n');
  execFileSync(process.execPath, ['scripts/compile.mjs']);
}
rmSync('dist/load-compiled.js');
