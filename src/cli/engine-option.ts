import { readdirSync, statSync } from 'node:fs';
import { resolve } from 'node:path';
import { chooseEngine } from '../engine/choose.ts';
import type { Engine } from '../engine/engine.ts';
import { NETNS_FOLDER } from '../system/netns.ts';
import type { Context, OptionValues } from './command.ts';

/** The way to the kernel that the user chose, by option or environment; else the fastest that works here. */
export function engineOf({ io }: Context, options: OptionValues): Engine {
  const setting = options['engine'] ?? io.env['TOPOWEAVE_ENGINE'] ?? 'auto';
  return chooseEngine(String(setting)).engine;
}

/** Bytes of a file, and namespaces on the machine, that make a large lab: a hundredth of a second then counts less. */
const LARGE_FILE = 64 * 1024;
const MANY_NAMESPACES = 400;

/**
 * The same engine, before the file is read. Where that takes long, the engine may start meanwhile what only a large lab
 * is worth.
 *
 * @param file as the user typed it; what is wrong with it is told by who reads it.
 */
export function warmEngineOf(context: Context, options: OptionValues, file?: string): void {
  if (process.getuid?.() !== 0 || !isLarge(file === undefined ? undefined : resolve(context.io.cwd, file)))
    return;
  engineOf(context, options).warmUp?.();
}

function isLarge(path: string | undefined): boolean {
  const size = path === undefined ? 0 : (statSync(path, { throwIfNoEntry: false })?.size ?? 0);
  return size >= LARGE_FILE || countNamespaces() >= MANY_NAMESPACES;
}

function countNamespaces(): number {
  try {
    return readdirSync(NETNS_FOLDER).length;
  } catch {
    return 0;
  }
}
