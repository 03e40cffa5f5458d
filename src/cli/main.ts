#!/usr/bin/env node
import { join } from 'node:path';
import type * as program from './program.ts';
import { version } from './version.ts';

const argv = process.argv.slice(2);
// The commonest question of scripts is answered without loading the program.
if (argv.length === 1 && (argv[0] === '--version' || argv[0] === '-V')) process.stdout.write(`${version}\n`);
else void startProgram();

async function startProgram(): Promise<void> {
  const { loadCompiled } = await import('./load-compiled.ts');
  const { start } = loadCompiled(join(import.meta.dirname, 'program.js')) as typeof program;
  await start(argv);
}
