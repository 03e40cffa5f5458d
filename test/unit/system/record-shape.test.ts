import fc from 'fast-check';
import { expect, test } from 'vitest';
import { TopoweaveError } from '../../../src/lib/errors.ts';
import type { LabRecord } from '../../../src/system/record.ts';
import { type ShapedRecord, shapeRecord } from '../../../src/system/record-shape.ts';

const good: LabRecord = {
  version: 1,
  lab: 'demo',
  claims: ['a', 'b'],
  sysctls: { host: { 'net.ipv4.ip_forward': '0', 'net.core.somaxconn': '4096' }, a: {} },
  hostObjects: ['host/main/10.9.0.0/16/0', 'host/lo/10.8.0.1/32'],
  adopted: {
    'a/eth0': {
      name: 'ens3',
      mtu: 1500,
      macaddress: '02:00:00:00:00:01',
      state: 'up',
      master: '',
      lines: ['address replace 192.0.2.1/24 dev ens3', 'route append default via 192.0.2.254 dev ens3'],
      isExact: true,
    },
  },
  file: '/tmp/demo.yaml',
  more: { over: ['/tmp/more.yaml'], set: { mtu: '1400' } },
  wants: { 'net.ipv4.ip_forward': '1' },
  options: { 'a/eth0/promiscuous': 'false' },
  ovs: true,
  fdb: ['a'],
  ports: { 'a tcp 80': 32_768 },
  etc: ['.', 'a'],
};
const names = Object.keys(good).filter((name) => name !== 'version' && name !== 'lab');

const shape = (value: unknown): ShapedRecord =>
  shapeRecord(typeof value === 'string' ? value : JSON.stringify(value), 'demo', '/run/topoweave/demo.json');
const fieldOf = (record: LabRecord, name: string) => (record as unknown as Record<string, unknown>)[name];

test('a good record is kept as it is, also with keys that this version does not know', () => {
  expect(shape(good)).toEqual({ record: good, problem: undefined, lost: [] });
  const more = { ...good, later: { deep: [1] } };
  expect(shape(more)).toEqual({ record: more, problem: undefined, lost: [] });
  expect(
    shape({ version: 1, lab: 'demo', claims: [], sysctls: {}, hostObjects: [], adopted: {} }).problem,
  ).toBe(undefined);
});

test('a field of the wrong type is lost, and all others stay', () => {
  for (const name of names) {
    for (const value of [null, 7, true, 'text\n', [{}], [[]], { x: [] }, { x: { y: {} } }]) {
      if (name === 'ovs' && value === true) continue;
      const { record, problem, lost } = shape({ ...good, [name]: value });
      expect(lost, `${name} ${JSON.stringify(value)}`).toEqual([name]);
      expect(problem).toBe(`wrong or missing: ${name}`);
      for (const other of names)
        if (other !== name) expect(fieldOf(record, other)).toEqual(fieldOf(good, other));
    }
  }
});

test.each([
  ['sysctls', { host: { 'net.ipv4.ip_forward': '0', 'net.//.//.kernel.core_pattern': '|/x' } }],
  ['sysctls', { host: { 'net.ipv4.ip_forward': '0', 'kernel.core_pattern': '|/x' } }],
  ['sysctls', { host: { 'net.ipv4.ip_forward': '0' }, '../x': { 'net.ipv4.ip_forward': '0' } }],
  ['sysctls', { host: { 'net.ipv4.ip_forward': '0', 'net.core.somaxconn': 1 } }],
])('of %s, an entry that is not right is left out', (name, value) => {
  const { record, lost } = shape({ ...good, [name]: value });
  expect(record.sysctls).toEqual({ host: { 'net.ipv4.ip_forward': '0' } });
  expect(lost).toEqual(['sysctls']);
});

test('lines that do not bring an address or a route back are not taken', () => {
  for (const line of ['link del ens3', 'address replace 1/2\nlink del ens3', 'netns del a', 7]) {
    const { record, lost } = shape({
      ...good,
      adopted: { 'a/eth0': { ...good.adopted['a/eth0'], lines: [line] } },
    });
    expect(record.adopted).toEqual({});
    expect(lost).toEqual(['adopted']);
  }
});

test('keys of prototypes are values like others, or nothing', () => {
  const text = JSON.stringify(good).replace('"claims"', '"__proto__":{"claims":["x"]},"claims"');
  expect(shape(text).record).toEqual(good);
  const inMap = shape(
    JSON.stringify(good).replace('"host":{', '"__proto__":{"a":"b"},"constructor":{},"host":{'),
  );
  expect(inMap.record.sysctls['host']).toEqual(good.sysctls['host']);
  expect(Object.getPrototypeOf(inMap.record.sysctls)).toBe(Object.prototype);
  expect(inMap.lost).toEqual(['sysctls']);
});

test('one of a newer topoweave is refused; one of no version that there was is not', () => {
  expect(() => shape({ ...good, version: 2 })).toThrow(/newer topoweave \(version 2/);
  for (const version of [0, -1, 1.5, '2', null, undefined, 1e300]) {
    const { record, problem, lost } = shape({ ...good, version });
    expect(problem).toBe('wrong or missing: version');
    expect(record).toEqual(good);
    expect(lost).toEqual([]);
  }
});

test('of another lab nothing is believed', () => {
  const { record, problem } = shape({ ...good, lab: 'other' });
  expect(problem).toBe('it is of the lab "other"');
  expect(record.claims).toEqual([]);
  expect(shape({ ...good, lab: 7 }).record).toEqual(good);
});

test('of a text that is cut off, each field before the cut stays, and what may have been behind it is lost', () => {
  const text = `${JSON.stringify(good, null, 1)}\n`;
  for (let length = 1; length < text.length - 2; length += 1) {
    const { record, problem, lost } = shape(text.slice(0, length));
    expect(problem).toBe('it is cut off, or no JSON');
    for (const name of names) {
      // The next field has begun: this one is whole.
      const next = [...names][names.indexOf(name) + 1];
      const isBehind = next !== undefined && length > text.indexOf(`\n "${next}"`);
      if (isBehind) expect(fieldOf(record, name), `${name} at ${length}`).toEqual(fieldOf(good, name));
      const isThere = JSON.stringify(fieldOf(record, name)) === JSON.stringify(fieldOf(good, name));
      expect(isThere || lost.includes(name), `${name} at ${length}`).toBe(true);
    }
  }
});

test('nothing that is in a record throws anything but known errors, and what is right in it stays', () => {
  const key = fc.constantFrom(...Object.keys(good), '__proto__', 'constructor', 'toString', 'new');
  const mutated = fc
    .dictionary(key, fc.oneof(fc.jsonValue(), fc.constantFrom(...Object.values(good))))
    .map((changes) => ({ ...good, ...changes }));
  fc.assert(
    fc.property(mutated, (value) => {
      let found: ShapedRecord;
      try {
        found = shape(value);
      } catch (error) {
        expect(error).toBeInstanceOf(TopoweaveError);
        return;
      }
      if (typeof value.lab === 'string' && value.lab !== 'demo') return;
      for (const name of names)
        if (fieldOf(value, name) === fieldOf(good, name))
          expect(fieldOf(found.record, name)).toEqual(fieldOf(good, name));
    }),
  );
  const text = JSON.stringify(good, null, 1);
  fc.assert(
    fc.property(fc.nat(text.length - 1), fc.string({ unit: 'binary', maxLength: 4 }), (at, put) => {
      try {
        const { record } = shape(text.slice(0, at) + put + text.slice(at + put.length));
        expect(Array.isArray(record.claims)).toBe(true);
      } catch (error) {
        expect(error).toBeInstanceOf(TopoweaveError);
      }
    }),
  );
  fc.assert(fc.property(fc.string({ unit: 'binary' }), (junk) => void shape(junk)));
  expect(shape('['.repeat(100_000)).lost).toContain('sysctls');
  expect(shape('{"a":'.repeat(100_000)).lost).toContain('sysctls');
});
