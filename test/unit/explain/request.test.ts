import { describe, expect, test } from 'vitest';
import { readRequest } from '../../../src/explain/request.ts';
import { UsageError } from '../../../src/lib/errors.ts';
import type { EtcFolder, IpLink, Live, LiveNamespace } from '../../../src/observe/live.ts';

function namespace(name: string, addresses: readonly string[]): [string, LiveNamespace] {
  const links = addresses.map((local, index) => {
    const addr_info = [{ family: 'inet', local, prefixlen: 24, scope: 'global' }];
    return { ifindex: index + 1, ifname: `eth${index}`, addr_info } as unknown as IpLink;
  });
  return [name, { name, mark: { lab: 'lab' }, links } as unknown as LiveNamespace];
}

const file = (...lines: string[]): EtcFolder => new Map([['hosts', { lines, lab: 'lab', words: [] }]]);

const live: Live = {
  namespaces: new Map([
    ['host', { name: 'host', mark: undefined, links: [] } as unknown as LiveNamespace],
    namespace('web', ['10.0.0.2']),
    namespace('db', ['10.1.0.3', '10.0.0.3']),
    namespace('bare', ['10.1.0.9']),
  ]),
  stale: [],
  etc: new Map([
    [
      'web',
      file('127.0.0.1 localhost', '10.0.0.2 web www', '10.0.0.9 printer', '10.0.0.3 db postgres', 'broken'),
    ],
    ['db', file('127.0.0.1 localhost', '10.1.0.3 db postgres', '10.0.0.2 web www', '10.0.0.8 fax')],
  ]),
};

describe('the name of a destination', () => {
  test.each([
    ['web', 'db', '10.0.0.3', undefined],
    ['web', 'postgres:5432', '10.0.0.3', 5432],
    ['web', 'printer', '10.0.0.9', undefined],
    ['web', 'localhost:80/udp', '127.0.0.1', 80],
    ['db', 'www', '10.0.0.2', undefined],
    ['bare', 'postgres', '10.1.0.3', undefined],
    ['host', 'www:80', '10.0.0.2', 80],
  ])('%s %s', (from, to, address, port) => {
    expect(readRequest(from, to, live)).toMatchObject({ address, port });
  });

  test.each([
    ['web', 'postgre', 'postgres'],
    ['db', 'printer', undefined],
    ['bare', 'fax', undefined],
    ['host', 'localhost', undefined],
  ])('%s does not know %s', (from, to, nearest) => {
    const error = catchError(() => readRequest(from, to, live));
    expect(error.message).toBe(
      `'${to}' is neither an address nor a namespace, nor a name that ${from} knows`,
    );
    expect(error.hint).toBe(nearest && `did you mean '${nearest}'?`);
  });
});

function catchError(work: () => unknown): UsageError {
  try {
    work();
  } catch (error) {
    if (error instanceof UsageError) return error;
    throw error;
  }
  throw new Error('nothing was thrown');
}
