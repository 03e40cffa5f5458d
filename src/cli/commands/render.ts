import { exitCodes } from '../../lib/exit-codes.ts';
import { longForm } from '../../loader/long-form.ts';
import type { RunCommand } from '../command.ts';
import { loadLab } from '../lab.ts';

export const run: RunCommand = async (context, { args, options }) => {
  const { topology } = await loadLab(context, String(args[0]));
  const document = longForm(topology);
  if (options['json']) {
    context.io.stdout(`${JSON.stringify(document, null, 2)}\n`);
  } else {
    const { stringifyYaml } = await import('../../loader/stringify.ts');
    context.io.stdout(stringifyYaml(document));
  }
  return exitCodes.done;
};
