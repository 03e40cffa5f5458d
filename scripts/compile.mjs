// compile.mjs [kernel]: keeps the bytecode of dist/program.js that common commands need; see src/cli/load-compiled.ts. It
// runs them, silently, since V8 compiles a function when it is first called; with `kernel` those that change the network
// as well, so this must be a throw-away host then.
import { closeSync, fsyncSync, openSync, renameSync, writeFileSync } from 'node:fs';
import { resolve } from 'node:path';
import loader from '../dist/load-compiled.js';

const LAB = 'topologies/office.yaml';
const withKernel = process.argv[2] === 'kernel';
const file = resolve('dist/program.js');
const commands = [
  ...['validate', 'render'],
  ...(withKernel ? ['plan', 'apply', 'plan', 'check', 'status', 'destroy'] : []),
];

const silent = {
  stdout: () => {},
  stderr: () => {},
  env: { PATH: process.env.PATH },
  cwd: process.cwd(),
  stdoutIsTty: false,
  stderrIsTty: false,
  columns: 80,
};

const content = await loader.compileUsed(file, async ({ main }) => {
  for (const command of commands) {
    const code = await main([command, LAB], silent);
    if (code !== 0) throw new Error(`topoweave ${command} ${LAB}: exit code ${code}`);
  }
});
replace(loader.bytecodeFile(file), content);

function replace(path, bytes) {
  const fd = openSync(`${path}.new`, 'w', 0o644);
  writeFileSync(fd, bytes);
  fsyncSync(fd);
  closeSync(fd);
  renameSync(`${path}.new`, path);
}
