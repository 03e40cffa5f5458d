import { readFileSync } from 'node:fs';
import type { EngineName } from '../engine/engine.ts';
import { listJson } from '../engine/netlink/nftables.ts';
import { UnavailableError } from '../lib/errors.ts';
import type { Run } from '../system/run.ts';
import type { NftObject } from './live.ts';

/** A packet filter of others, in the machine's own namespace, that drops what a lab would forward. */
export interface ForeignFilter {
  /** `docker`, `ufw`, `firewalld`, `iptables-legacy`, or `chain` for one that nobody is known for. */
  readonly owner: 'docker' | 'ufw' | 'firewalld' | 'iptables-legacy' | 'chain';
  /** `ip filter FORWARD`. */
  readonly chain: string;
  readonly what: 'policy' | 'zones';
  /** Its table has Docker's chain for rules of others, which it looks at first. */
  readonly hasDockerUser?: boolean;
  /** Interfaces that it lets through in both directions, as far as its rules say so by name. */
  readonly letsThrough: ReadonlySet<string>;
}

export interface ForeignFilters {
  readonly forward: readonly ForeignFilter[];
  /** Whether what bridges pass between their ports goes through the filters for IP packets too. */
  readonly bridgesFiltered: boolean;
}

export interface FilterSources {
  /** The objects of `nft -j COMMAND`. */
  readonly list: (command: string) => Promise<readonly NftObject[]>;
  /** What `iptables-legacy -S` prints, where its table is in use. */
  readonly legacy: () => Promise<string>;
  /** The text of a file of /proc, or nothing. */
  readonly read: (path: string) => string;
}

/** The machine's own; where netlink works, without a process. */
export function filterSources(run: Run, engine: EngineName): FilterSources {
  return {
    list: async (command) => {
      if (engine === 'netlink') {
        try {
          return listJson(command);
        } catch {
          // The program says more than the library, or there is no library.
        }
      }
      const { code, stdout, stderr } = await run(['nft', '-j', ...command.split(' ')]);
      if (code !== 0) throw new UnavailableError('nft', `nft ${command}: ${stderr.trim()}`);
      return (JSON.parse(stdout) as { nftables: NftObject[] }).nftables;
    },
    legacy: async () => {
      try {
        const { code, stdout } = await run(['iptables-legacy', '-S']);
        return code === 0 ? stdout : '';
      } catch (error) {
        if (error instanceof UnavailableError) return '';
        throw error;
      }
    },
    read: (path) => {
      try {
        return readFileSync(path, 'utf8');
      } catch {
        return '';
      }
    },
  };
}

type NftItem = Readonly<Record<string, unknown>>;

/** Reads nothing but the names of chains, unless one of them drops. */
export async function readForeignFilters(sources: FilterSources): Promise<ForeignFilters> {
  const { list, legacy, read } = sources;
  const chains = (await list('list chains')).flatMap(({ chain }) => (chain === undefined ? [] : [chain]));
  const foreign = chains.filter(({ table }) => !String(table).startsWith('topoweave-'));
  const forward: ForeignFilter[] = [];
  for (const chain of foreign) {
    const filter = await examineChain(chain, foreign, list);
    if (filter !== undefined) forward.push(filter);
  }
  if (/^filter$/m.test(read('/proc/net/ip_tables_names'))) {
    const rules = await legacy();
    if (/^-P FORWARD DROP$/m.test(rules)) {
      const letsThrough = legacyInterfaces(rules);
      const hasDockerUser = /^-N DOCKER-USER$/m.test(rules);
      forward.push({
        owner: 'iptables-legacy',
        chain: 'FORWARD',
        what: 'policy',
        hasDockerUser,
        letsThrough,
      });
    }
  }
  const bridgesFiltered = ['iptables', 'ip6tables'].some(
    (name) => read(`/proc/sys/net/bridge/bridge-nf-call-${name}`).trim() === '1',
  );
  return { forward, bridgesFiltered };
}

async function examineChain(
  chain: NftItem,
  all: readonly NftItem[],
  list: FilterSources['list'],
): Promise<ForeignFilter | undefined> {
  const { family, table, name, hook, policy } = chain;
  if (hook !== 'forward' || family === 'bridge') return undefined;
  const isZoned = table === 'firewalld';
  if (policy !== 'drop' && !isZoned) return undefined;
  const has = (other: string) =>
    all.some((each) => each['table'] === table && each['family'] === family && each['name'] === other);
  const rules = (await list(`list table ${family} ${table}`)).flatMap(({ rule }) =>
    rule === undefined ? [] : [rule],
  );
  const shown = `${family} ${table} ${name}`;
  if (isZoned)
    return { owner: 'firewalld', chain: shown, what: 'zones', letsThrough: zonedInterfaces(rules) };
  const isUfw = has('ufw-before-forward') || has('ufw6-before-forward');
  const hasDockerUser = has('DOCKER-USER');
  const owner = isUfw ? 'ufw' : hasDockerUser ? 'docker' : 'chain';
  return { owner, chain: shown, what: 'policy', hasDockerUser, letsThrough: acceptedInterfaces(rules) };
}

/** Those that rules without any other condition accept, coming in and going out. */
function acceptedInterfaces(rules: readonly NftItem[]): ReadonlySet<string> {
  const into = new Set<string>();
  const out = new Set<string>();
  for (const { expr } of rules) {
    const parts = Array.isArray(expr) ? (expr as NftItem[]) : [];
    if (!parts.some((part) => 'accept' in part)) continue;
    // What nft knows only as a match of iptables is a condition too, but for a comment.
    if (parts.some(({ xt }) => xt !== undefined && (xt as NftItem)['name'] !== 'comment')) continue;
    const matches = parts.flatMap(({ match }) => (match === undefined ? [] : [match as Match]));
    const [only, more] = matches;
    if (only === undefined || more !== undefined) continue;
    if (only.left?.meta?.key === 'iifname' && isName(only)) into.add(only.right);
    if (only.left?.meta?.key === 'oifname' && isName(only)) out.add(only.right);
  }
  return new Set([...into].filter((name) => out.has(name)));
}

interface Match {
  readonly op?: string;
  readonly left?: { readonly meta?: { readonly key?: string } };
  readonly right: unknown;
}

function isName(match: Match): match is Match & { readonly right: string } {
  return match.op === '==' && typeof match.right === 'string';
}

/** Those that are in a zone: firewalld names them in its rules. */
function zonedInterfaces(rules: readonly NftItem[]): ReadonlySet<string> {
  const found = new Set<string>();
  for (const { expr } of rules) {
    for (const { match } of Array.isArray(expr) ? (expr as { match?: Match }[]) : []) {
      if (match?.left?.meta?.key === 'iifname' && isName(match)) found.add(match.right);
    }
  }
  return found;
}

function legacyInterfaces(rules: string): ReadonlySet<string> {
  const names = (letter: 'i' | 'o') =>
    new Set(
      [
        ...rules.matchAll(
          new RegExp(
            `^-A (?:FORWARD|DOCKER-USER) -${letter} (\\S+)(?: -m comment --comment \\S+)? -j ACCEPT$`,
            'gm',
          ),
        ),
      ].map(([, name]) => name ?? ''),
    );
  const out = names('o');
  return new Set([...names('i')].filter((name) => out.has(name)));
}

/** The key that lets the lab through Docker's filter. */
export const integration = 'write firewall: { integrate: docker-user } for host in the file';

/** What to do, so that a filter of others lets an interface through. */
export function letThrough({ owner, chain }: ForeignFilter, name: string): string {
  const both = (line: (key: 'i' | 'o') => string) => `${line('i')}; ${line('o')}`;
  switch (owner) {
    case 'docker':
      return both((key) => `${programOf(chain)} -I DOCKER-USER -${key} ${name} -j ACCEPT`);
    case 'ufw':
      return `ufw route allow in on ${name}; ufw route allow out on ${name}`;
    case 'firewalld':
      return `firewall-cmd --zone=trusted --add-interface=${name}`;
    case 'iptables-legacy':
      return both((key) => `iptables-legacy -I FORWARD -${key} ${name} -j ACCEPT`);
    case 'chain':
      return both((key) => `nft insert rule ${chain} ${key}ifname ${name} accept`);
  }
}

function programOf(chain: string): string {
  return chain.startsWith('ip6 ') ? 'ip6tables' : 'iptables';
}

export function describeFilter({ owner, chain, what }: ForeignFilter): string {
  const whose = owner === 'chain' ? '' : ` (${owner})`;
  return what === 'zones'
    ? `${chain} of firewalld rejects what comes from an interface without a zone`
    : `the chain ${chain}${whose} drops what no rule of its own accepts`;
}
