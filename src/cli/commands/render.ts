import { exitCodes } from '../../lib/exit-codes.ts';
import { longForm } from '../../loader/long-form.ts';
import type { RunCommand } from '../command.ts';
import { chosenFiles } from '../files.ts';
import { loadLab } from '../lab.ts';

export const run: RunCommand = async (context, invocation) => {
  const { topology } = await loadLab(context, chosenFiles(context.io, invocation));
  const document = longForm(topology);
  if (invocation.options['json']) {
    context.io.stdout(`${JSON.stringify(document, null, 2)}\n`);
  } else {
    const { stringifyYaml } = await import('../../loader/stringify.ts');
    const { raw, stdout } = context.io;
    (raw ?? stdout)(stringifyYaml(document));
  }
  return exitCodes.done;
};
