import { spawnSync } from 'node:child_process';
import { expect, test } from 'vitest';
import type { CommandSpec } from '../../../src/cli/command.ts';
import { completionScript, shells } from '../../../src/cli/completion-script.ts';

const load: CommandSpec['load'] = async () => async () => 0;
const commands: readonly CommandSpec[] = [
  {
    name: 'plan',
    summary: "show the file's plan [safe]: nothing changes",
    arguments: [{ name: '<file>', description: 'the file' }],
    options: [
      { flags: '--json', description: 'print JSON' },
      { flags: '-f, --format <kind>', description: 'how', choices: ['text', 'diff'] },
      { flags: '--over <file>', description: 'a file', repeatable: true },
    ],
    examples: [],
    load,
  },
  {
    name: 'exec',
    summary: 'run a command',
    arguments: [{ name: '<namespace>', description: 'where' }],
    passThrough: true,
    examples: [],
    load,
  },
  {
    name: 'completion',
    summary: 'print',
    arguments: [{ name: '<shell>', description: 'which' }],
    examples: [],
    load,
  },
];

test.each([
  { words: [''], offers: 'plan exec completion help --color -h --help -V --version' },
  { words: ['pl'], offers: 'plan' },
  { words: ['--color', ''], offers: 'auto always never' },
  { words: ['--color', 'never', 'ex'], offers: 'exec' },
  { words: ['plan', '-'], offers: '--json -f --format --over -h --help' },
  { words: ['plan', '--format', ''], offers: 'text diff' },
  { words: ['plan', '--over', 'topologies/office.y'], offers: 'topologies/office.yaml' },
  { words: ['plan', 'biome.j'], offers: '' },
  { words: ['plan', '.github/workflows/nothing'], offers: '' },
  { words: ['exec', 'ho'], offers: 'host' },
  { words: ['exec', 'a', '--', 'ip', 'l'], offers: '' },
  { words: ['completion', 'z'], offers: 'zsh' },
])('bash completes $words', ({ words, offers }) => {
  const script = `${completionScript('bash', commands)}
compopt() { :; }
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); _topoweave; echo "\${COMPREPLY[*]}"`;
  const { stdout, stderr } = spawnSync('bash', ['-c', script, 'bash', 'topoweave', ...words], {
    encoding: 'utf8',
  });
  expect(stderr).toBe('');
  expect(stdout.trim()).toBe(offers);
});

test('zsh gets quotes, brackets and colons quoted', () => {
  const script = completionScript('zsh', commands);
  expect(script).toContain(String.raw`'plan:show the file'\''s plan [safe]: nothing changes'`);
  expect(script).toContain("'(-f --format)--format[how]:value:(text diff)'");
  expect(script).toContain('_files -g "*.(yaml|yml)"');
});

test('fish gets one line per command and option', () => {
  const script = completionScript('fish', commands);
  expect(script).toContain("-n '__fish_seen_subcommand_from plan' -s f -l format -x -a 'text diff' -d 'how'");
  expect(script).toContain(String.raw`-a plan -d 'show the file\'s plan [safe]: nothing changes'`);
});

test.each(shells)('the %s script is accepted by its shell, where it is installed', (shell) => {
  const script = completionScript(shell, commands);
  const { error, status, stderr } = spawnSync(shell, ['-n'], { input: script, encoding: 'utf8' });
  if (error !== undefined) return;
  expect(stderr).toBe('');
  expect(status).toBe(0);
});
