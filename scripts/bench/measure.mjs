// Runs one command through measure.py, which says why it is a process of its own.
import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const helper = join(import.meta.dirname, 'measure.py');
// A python3 on the PATH may be a shell script that chooses one: ask it for the real one, once.
const python = execFileSync('python3', ['-c', 'import sys; print(sys.executable)'], {
  encoding: 'utf8',
}).trim();

/** → { wall, cpu, peak, pids, stderr }; throws when the command fails. */
export function measure(argv, env = {}) {
  const output = execFileSync(python, ['-I', '-S', helper, ...argv], {
    env: { ...process.env, ...env },
    encoding: 'utf8',
    maxBuffer: 1 << 28,
  });
  const result = JSON.parse(output);
  if (result.code !== 0) {
    throw new Error(`${argv.join(' ')}: exit code ${result.code}\n${result.stderr.slice(0, 2000)}`);
  }
  return result;
}
