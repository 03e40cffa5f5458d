import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  formatRate,
  formatSize,
  formatTime,
  parseBytes,
  parsePercent,
  parseRate,
  parseSize,
  parseTime,
} from '../../../src/lib/units.ts';

test.each([
  ['50ms', 50_000],
  ['1.5s', 1_500_000],
  ['100us', 100],
  ['10 ms', 10_000],
  ['10MS', 10_000],
  ['10', undefined],
  ['-1ms', undefined],
  ['ms', undefined],
  ['1e3ms', undefined],
  ['10constructor', undefined],
])('time %s', (text, microseconds) => {
  expect(parseTime(text)).toBe(microseconds);
});

test.each([
  ['1%', 1],
  ['0.0001%', 0.0001],
  ['12.34567%', 12.3457],
  ['100%', 100],
  ['100.1%', undefined],
  ['1', undefined],
])('share %s', (text, percent) => {
  expect(parsePercent(text)).toBe(percent);
});

test.each([
  ['10mbit', 10_000_000],
  ['1.5Gbit', 1_500_000_000],
  ['8bit', 8],
  ['10mbps', undefined],
  ['10', undefined],
])('rate %s', (text, bits) => {
  expect(parseRate(text)).toBe(bits);
});

test('what is written is read as the same', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 274_000_000 }), (value) => {
      expect(parseTime(formatTime(value))).toBe(value);
      expect(parseRate(formatRate(value))).toBe(value);
      expect(parseSize(formatSize(value))).toBe(value);
    }),
  );
});

test('bytes of a file: plain, and with units of 1024', () => {
  expect(['100', '1kb', '1KiB', '2MB', '2mib', '1GB', '1.5mb', '10b'].map(parseBytes)).toEqual([
    100, 1024, 1024, 2097152, 2097152, 1073741824, 1572864, 10,
  ]);
  expect(['', 'x', '1k', '-1', '1mbit', '1e3'].map(parseBytes)).toEqual(Array(6).fill(undefined));
});
