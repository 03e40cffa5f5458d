import type { ProbeProtocol } from './request.ts';

/**
 * One name for all: what a killed run left behind is taken away by the next one. No lab's table is called so: theirs
 * begin with `topoweave-`.
 */
export const TRACE_TABLE = 'topoweave_explain';

/** What tells the packets of a probe from all others, on their way and back, however NAT changes the rest. */
export interface ProbeIdentity {
  readonly protocol: ProbeProtocol;
  /** The source port, or the identifier of an echo request. */
  readonly number: number;
  readonly family: 4 | 6;
}

interface TraceTables extends ProbeIdentity {
  /** Interfaces by which the probe must not leave: those that are not the lab's. */
  readonly forbidden: readonly string[];
  readonly withBridge: boolean;
}

/**
 * The tables that make the kernel tell what happens to the probe: a chain before all others that says so, chains behind
 * all others that see how it left, and a guard that keeps it inside of the lab.
 */
export function traceScript({ forbidden, withBridge, ...identity }: TraceTables): string {
  const mark = matches(identity).map((match) => `    ${match} meta nftrace set 1`);
  const guard = matches(identity).map(
    (match) => `    oifname { ${forbidden.map((name) => `"${name}"`).join(', ')} } ${match} drop`,
  );
  const chain = (name: string, hook: string, priority: number, lines: readonly string[] = []) => [
    `  chain ${name} {`,
    `    type filter hook ${hook} priority ${priority}; policy accept;`,
    ...lines,
    '  }',
  ];
  const table = (family: 'inet' | 'bridge') => [
    `table ${family} ${TRACE_TABLE} {`,
    ...chain('prerouting', 'prerouting', -450, mark),
    ...chain('output', 'output', -450, mark),
    ...chain('input', 'input', 400),
    ...chain('forward', 'forward', 400),
    ...chain('postrouting', 'postrouting', 400),
    ...(forbidden.length === 0 ? [] : chain('guard', 'postrouting', 410, guard)),
    '}',
  ];
  return `${removalScript(withBridge)}${[...table('inet'), ...(withBridge ? table('bridge') : [])].join('\n')}\n`;
}

/** Takes the tables away, whether they are there or not. */
export function removalScript(withBridge: boolean): string {
  const families = withBridge ? ['inet', 'bridge'] : ['inet'];
  return families
    .map((family) => `add table ${family} ${TRACE_TABLE}\ndelete table ${family} ${TRACE_TABLE}\n`)
    .join('');
}

function matches({ protocol, number, family }: ProbeIdentity): string[] {
  if (protocol !== 'icmp') return [`${protocol} sport ${number}`, `${protocol} dport ${number}`];
  return [family === 4 ? `icmp id ${number}` : `icmpv6 id ${number}`];
}
