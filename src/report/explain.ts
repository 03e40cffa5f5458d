import type { ExplainedHop, Explanation, MatchedRule } from '../explain/explain.ts';
import type { Paint } from './style.ts';
import { visibleIn } from './visible.ts';

const titles: Readonly<Record<ExplainedHop['role'], string>> = {
  sends: 'sends',
  bridges: 'passes it through a bridge',
  forwards: 'forwards',
  receives: 'receives',
};

export function formatExplanation(raw: Explanation, paint: Paint): string {
  const explanation = visibleIn(raw);
  const { request, hops, answer, verdict, summary, notes } = explanation;
  const lines = [`${request.from} -> ${destinationText(explanation)}`, ''];
  for (const hop of hops) lines.push(...hopLines(hop, paint));
  if (answer.length > 0) {
    lines.push(paint('bold', 'the answer'));
    for (const hop of answer) lines.push(...hopLines(hop, paint));
  }
  const isGood = verdict === 'answered';
  lines.push(
    paint(isGood ? 'green' : verdict === 'not-sent' ? 'yellow' : 'red', `${verdict}: ${summary}`).replace(
      /^(.*)answered: answered/,
      '$1answered',
    ),
  );
  for (const note of notes) lines.push(`note: ${note}`);
  return `${lines.join('\n')}\n`;
}

export function destinationText({ request }: Explanation): string {
  const { address, port, protocol, to } = request;
  const host = port === undefined ? address : `${address.includes(':') ? `[${address}]` : address}:${port}`;
  return `${host}/${protocol}${to === address ? '' : ` (${to})`}`;
}

function hopLines(hop: ExplainedHop, paint: Paint): string[] {
  const lines = [`${paint('bold', hop.namespace)} ${titles[hop.role]}`];
  const line = (name: string, text: string) => lines.push(`  ${name.padEnd(8)} ${text}`);
  if (hop.in !== undefined) line('in', hop.in);
  for (const rule of hop.rules) line('rule', ruleText(rule, paint));
  for (const text of hop.rewritten) line('nat', text);
  if (hop.route !== undefined) line('route', hop.route);
  if (hop.out !== undefined) line('out', hop.out);
  for (const bridge of hop.bridges) line('bridge', bridge);
  if (hop.problem !== undefined) line('problem', hop.problem);
  return lines;
}

function ruleText({ family, table, chain, rule, verdict, own }: MatchedRule, paint: Paint): string {
  const where = own ? chain : `${family} ${table} ${chain}`;
  const shown = rule.replace(/ comment "([^"]*?)(?: \[[0-9a-f]{12}\])?"/, '');
  const comment = /comment "([^"]*?)(?: \[[0-9a-f]{12}\])?"/.exec(rule)?.[1];
  const note = comment === undefined ? '' : paint('dim', `  # ${comment}`);
  return `${where}: ${shown === '' ? verdict : shown}${note}`;
}

export function explanationJson({
  request,
  lab,
  hops,
  answer,
  verdict,
  summary,
  notes,
}: Explanation): object {
  return {
    schemaVersion: 1,
    lab,
    from: request.from,
    to: request.to,
    address: request.address,
    protocol: request.protocol,
    port: request.port ?? null,
    verdict,
    summary,
    hops: hops.map(hopJson),
    answer: answer.map(hopJson),
    notes,
  };
}

function hopJson({ in: into, out, route, problem, ...hop }: ExplainedHop): object {
  return { ...hop, in: into ?? null, out: out ?? null, route: route ?? null, problem: problem ?? null };
}
