import { generate } from '../../generate/generate.ts';
import { UsageError } from '../../lib/errors.ts';
import { exitCodes } from '../../lib/exit-codes.ts';
import { writeNewFile } from '../../system/new-file.ts';
import type { OptionValues, RunCommand } from '../command.ts';
import { filePath } from '../files.ts';
import { isLabName } from '../lab-name.ts';

const sizeOptions = ['nodes', 'depth', 'fanout', 'k', 'rows', 'columns', 'leaves', 'spines', 'hosts'];

export const run: RunCommand = async ({ io }, { args, options }) => {
  const name = options['name'];
  if (name !== undefined && !isLabName(String(name)))
    throw new UsageError(
      `'${name}' is no name for a lab`,
      'lower-case letters, digits and dashes, beginning with a letter, at most 32',
    );
  const text = generate({
    shape: String(args[0]),
    sizes: givenSizes(options),
    isSwitched: options['switched'] === true,
    ...(name === undefined ? {} : { name: String(name) }),
  });
  const output = options['output'];
  if (output === undefined || output === '-') (io.raw ?? io.stdout)(text);
  else {
    writeNewFile(filePath(io, String(output)), text, {
      shown: String(output),
      force: options['force'] === true,
    });
    io.stderr(`wrote ${output}; next: topoweave apply ${output}\n`);
  }
  return exitCodes.done;
};

function givenSizes(options: OptionValues): Record<string, number> {
  const sizes: Record<string, number> = {};
  for (const size of sizeOptions) {
    const text = options[size];
    if (text === undefined) continue;
    if (!/^\d{1,9}$/.test(String(text))) throw new UsageError(`--${size} ${text} is not a number`);
    sizes[size] = Number(text);
  }
  return sizes;
}
