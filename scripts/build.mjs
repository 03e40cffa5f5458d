// Bundles the command line into dist/: one entry, one lazily loaded chunk per command path.
import { chmodSync, readFileSync, rmSync } from 'node:fs';
import { build } from 'esbuild';

const { version } = JSON.parse(readFileSync('package.json', 'utf8'));
rmSync('dist', { recursive: true, force: true });
await build({
  entryPoints: {
    topoweave: 'src/cli/main.ts',
    // A thread of its own; see src/engine/netlink/namespace-team.ts.
    'namespace-worker': 'src/engine/netlink/namespace-worker.ts',
  },
  outdir: 'dist',
  bundle: true,
  splitting: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  chunkNames: 'chunks/[name]-[hash]',
  define: { __VERSION__: JSON.stringify(version) },
  banner: {
    // CommonJS dependencies (yaml, commander) ask for require at run time.
    js: "import { createRequire as __createRequire } from 'node:module'; const require = __createRequire(import.meta.url);",
  },
  logLevel: 'warning',
});
chmodSync('dist/topoweave.js', 0o755);
