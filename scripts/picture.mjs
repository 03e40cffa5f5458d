// picture.mjs: makes docs/session.svg, the terminal picture of the README, from a real run in a throw-away host.
import { spawnSync } from 'node:child_process';
import { writeFileSync } from 'node:fs';

const commands = ['validate', 'apply', 'check', 'plan'].map((name) => [name, 'topologies/office.yaml']);
commands.splice(3, 0, ['exec', 'web', '--', 'ip', 'link', 'set', 'eth0', 'mtu', '1400']);
commands.push(['apply', 'topologies/office.yaml'], ['destroy', 'office']);

// Inside: every command with colour, behind a line that shows it.
const inside = commands
  .map((argv) => {
    const words = argv.map((word) => word.replace('topologies/', '')).join(' ');
    return `printf '\\033[1m$ topoweave %s\\033[0m\\n' '${words}'; node dist/topoweave.js --color always ${argv.join(' ')} 2>&1`;
  })
  .join('\n');
const { stdout, status } = spawnSync(
  process.execPath,
  ['dist/topoweave.js', 'sandbox', '--', 'sh', '-ec', inside],
  { encoding: 'utf8', env: { ...process.env, CI: '1' } },
);
if (status !== 0) throw new Error(`the session failed with ${status}\n${stdout}`);
writeFileSync('docs/session.svg', toSvg(stdout.trimEnd().split('\n')));

function toSvg(lines) {
  const [lineHeight, margin, charWidth] = [18, 16, 8.43];
  const columns = Math.max(...lines.map((line) => stripColors(line).length));
  const width = Math.ceil(columns * charWidth + 2 * margin);
  const height = lines.length * lineHeight + 2 * margin;
  const rows = lines.map(
    (line, index) =>
      `<text x="${margin}" y="${margin + (index + 0.8) * lineHeight}" xml:space="preserve">${spans(line)}</text>`,
  );
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${width}" height="${height}" font-family="ui-monospace, 'DejaVu Sans Mono', Menlo, monospace" font-size="14" fill="#d8dee9" role="img" aria-label="a session with topoweave">
<rect width="100%" height="100%" rx="8" fill="#1e2430"/>
${rows.join('\n')}
</svg>
`;
}

/** SGR sequences become tspans; only those that topoweave uses are known. */
function spans(line) {
  const styles = {
    1: 'font-weight="bold" fill="#ffffff"',
    2: 'fill="#7b8494"',
    31: 'fill="#f07178"',
    32: 'fill="#a3d977"',
    33: 'fill="#ffcb6b"',
    36: 'fill="#7fdbca"',
  };
  let [open, text] = ['', ''];
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character begins each sequence
  for (const part of line.split(/(\u001b\[[0-9;]*m)/)) {
    const code = /\[(\d+)m/.exec(part)?.[1];
    if (part.startsWith('\u001b')) {
      if (open !== '') text += '</tspan>';
      open = styles[code] ?? '';
      if (open !== '') text += `<tspan ${open}>`;
    } else {
      text += part.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
    }
  }
  return open === '' ? text : `${text}</tspan>`;
}

function stripColors(line) {
  // biome-ignore lint/suspicious/noControlCharactersInRegex: the escape character begins each sequence
  return line.replace(/\u001b\[[0-9;]*m/g, '');
}
