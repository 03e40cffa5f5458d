import { expect, test } from 'vitest';
import { commentText } from '../../../src/kinds/nft.ts';

test('a comment has at most 127 bytes, and whole characters', () => {
  const hash = '0123456789ab';
  expect(commentText('drop "in"\n\\ lan', hash)).toBe('drop in lan [0123456789ab]');
  expect(commentText('x'.repeat(101), hash)).toBe(`${'x'.repeat(100)} [${hash}]`);
  expect(commentText('網'.repeat(40), hash)).toBe(`${'網'.repeat(33)} [${hash}]`);
  expect(commentText(`${'x'.repeat(98)}😀`, hash)).toBe(`${'x'.repeat(98)} [${hash}]`);
});
