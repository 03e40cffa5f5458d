import { readFileSync } from 'node:fs';
import { createRequire, Module } from 'node:module';
import { dirname } from 'node:path';
import { Script } from 'node:vm';

/**
 * Loads a CommonJS file of the build, as `require` does, with the bytecode that scripts/compile.mjs kept for it: a short
 * command would spend a third of its time on compiling what it uses. Another version of Node refuses that bytecode and
 * compiles the file as always (vm.Script, `cachedData`), as it does where there is none.
 *
 * @returns what the file exports.
 */
export function loadCompiled(file: string): unknown {
  const cachedData = readIfThere(`${file}.bytecode`);
  // The build writes ASCII only, and this is the encoding that is read fastest.
  const script = new Script(Module.wrap(readFileSync(file, 'latin1')), {
    filename: file,
    ...(cachedData === undefined ? {} : { cachedData }),
  });
  const module = { exports: {} };
  const run = script.runInThisContext() as (...args: unknown[]) => void;
  run(module.exports, createRequire(file), module, file, dirname(file));
  return module.exports;
}

function readIfThere(file: string): Buffer | undefined {
  try {
    return readFileSync(file);
  } catch {
    return undefined;
  }
}
