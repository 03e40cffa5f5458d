import { painter } from '../report/style.ts';
import { damageHelp, damageText, notedDamage, takeDamage } from '../system/damage.ts';
import type { Context } from './command.ts';

/** One warning for each file of ours that was found damaged, on stderr, at the end of a command. */
export function warnOfDamage({ io, color }: Context): void {
  const paint = painter(color.stderr);
  for (const damage of takeDamage()) {
    const head = paint('yellow', `warning[${damage.isForeign === true ? 'state-file' : 'damaged-file'}]`);
    io.stderr(`${head} ${damageText(damage)}\n  help: ${damageHelp(damage)}\n`);
  }
}

/** The same for documents; nothing where all is well. */
export function damageJson(): object {
  const found = notedDamage();
  if (found.length === 0) return {};
  return {
    damaged: found.map(({ path, problem, kept = null, lost = null }) => ({ path, problem, kept, lost })),
  };
}
