import { chooseEngine } from '../engine/choose.ts';
import type { Engine } from '../engine/engine.ts';
import type { Context, OptionValues } from './command.ts';

/** The way to the kernel that the user chose, by option or environment; else the fastest that works here. */
export function engineOf({ io }: Context, options: OptionValues): Engine {
  const setting = options['engine'] ?? io.env['TOPOWEAVE_ENGINE'] ?? 'auto';
  return chooseEngine(String(setting)).engine;
}
