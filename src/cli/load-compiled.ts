import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { createRequire, Module } from 'node:module';
import { dirname } from 'node:path';
import { Script } from 'node:vm';

/** Bytes of the digest that the file of the bytecode begins with. */
const DIGEST_SIZE = 32;

/**
 * Loads a CommonJS file of the build, as `require` does, with the bytecode that `compileUsed` made of it: a short
 * command would spend a third of its time on compiling what it uses. Without bytecode of its own the file is compiled as
 * always.
 *
 * V8 looks only at its version, its flags and the length of the source (vm.Script, `cachedData`), and crashes on bytecode
 * that is damaged: the digest says that it is whole, and of this file, this version of Node and this processor.
 *
 * @returns what the file exports.
 */
export function loadCompiled(file: string): unknown {
  const source = readFileSync(file);
  const cachedData = readBytecode(file, source);
  return run(compile(file, source, cachedData), file);
}

/**
 * Loads a file of the build without bytecode, lets `use` call what it exports, and keeps the bytecode of all that was
 * called.
 *
 * @returns the content of the file for it.
 */
export async function compileUsed(file: string, use: (exported: unknown) => Promise<void>): Promise<Buffer> {
  const source = readFileSync(file);
  const script = compile(file, source);
  await use(run(script, file));
  const bytecode = script.createCachedData();
  return Buffer.concat([digest(source, bytecode), bytecode]);
}

/** Where the bytecode of a file lies. */
export function bytecodeFile(file: string): string {
  return `${file}.bytecode`;
}

function readBytecode(file: string, source: Buffer): Buffer | undefined {
  let content: Buffer;
  try {
    content = readFileSync(bytecodeFile(file));
  } catch {
    return undefined;
  }
  const bytecode = content.subarray(DIGEST_SIZE);
  return digest(source, bytecode).equals(content.subarray(0, DIGEST_SIZE)) ? bytecode : undefined;
}

function digest(source: Buffer, bytecode: Buffer): Buffer {
  const { version, arch } = process;
  return createHash('sha256').update(`${version} ${arch}\n`).update(source).update(bytecode).digest();
}

function compile(file: string, source: Buffer, cachedData?: Buffer): Script {
  // The build writes ASCII only, and this is the encoding that is read fastest.
  const text = Module.wrap(source.toString('latin1'));
  return new Script(text, { filename: file, ...(cachedData === undefined ? {} : { cachedData }) });
}

function run(script: Script, file: string): unknown {
  const module = { exports: {} };
  const wrapper = script.runInThisContext() as (...args: unknown[]) => void;
  wrapper(module.exports, createRequire(file), module, file, dirname(file));
  return module.exports;
}
