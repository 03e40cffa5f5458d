import { UnavailableError, UsageError } from '../lib/errors.ts';
import type { Engine } from './engine.ts';
import { ipEngine } from './ip/engine.ts';
import { netlinkEngine, netlinkObstacle } from './netlink/engine.ts';

export const engineSettings = ['auto', 'netlink', 'ip'] as const;
export type EngineSetting = (typeof engineSettings)[number];

export interface Choice {
  readonly engine: Engine;
  /** Why `auto` did not take netlink. */
  readonly obstacle: string | undefined;
}

/**
 * The engine that the user asked for; `auto` takes netlink wherever it works.
 *
 * @throws UsageError for a word that is none; UnavailableError when netlink was asked for and does not work here.
 */
export function chooseEngine(setting: string): Choice {
  if (!isSetting(setting))
    throw new UsageError(`there is no engine '${setting}'`, `choose one of: ${engineSettings.join(', ')}`);
  if (setting === 'ip') return { engine: ipEngine, obstacle: undefined };
  const obstacle = netlinkObstacle();
  if (obstacle === undefined) return { engine: netlinkEngine, obstacle };
  if (setting === 'auto') return { engine: ipEngine, obstacle };
  throw new UnavailableError(
    'engine',
    `the engine netlink does not work here: ${obstacle}`,
    'use: --engine ip',
  );
}

function isSetting(text: string): text is EngineSetting {
  return (engineSettings as readonly string[]).includes(text);
}
