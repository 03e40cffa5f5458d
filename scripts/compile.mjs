// Keeps the bytecode of dist/program.js that common commands need, in dist/program.js.bytecode: see
// src/cli/load-compiled.ts. It runs them here, silently, since V8 compiles a function when it is first called; in a
// throw-away host those that change the network as well.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire, Module } from 'node:module';
import { dirname, resolve } from 'node:path';
import { Script } from 'node:vm';

const LAB = 'topologies/office.yaml';
const file = resolve('dist/program.js');
const script = new Script(Module.wrap(readFileSync(file, 'latin1')), { filename: file });
const module = { exports: {} };
script.runInThisContext()(module.exports, createRequire(file), module, file, dirname(file));

await run('validate', LAB);
await run('render', LAB);
if (process.env.TOPOWEAVE_SANDBOX !== undefined) {
  for (const command of ['plan', 'apply', 'plan', 'check', 'status', 'destroy']) await run(command, LAB);
}
writeFileSync(`${file}.bytecode`, script.createCachedData());

async function run(...argv) {
  const io = {
    stdout: () => {},
    stderr: () => {},
    env: process.env,
    cwd: process.cwd(),
    stdoutIsTty: false,
    stderrIsTty: false,
    columns: 80,
  };
  const code = await module.exports.main(argv, io);
  if (code !== 0) throw new Error(`topoweave ${argv.join(' ')}: exit code ${code}`);
}
