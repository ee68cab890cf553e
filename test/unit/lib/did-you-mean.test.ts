import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { closestWord } from '../../../src/lib/did-you-mean.ts';

describe('the closest word is suggested, if it is close enough', () => {
  const WORDS = ['status', 'start', 'stop', 'check-config'];
  const table: readonly [typed: string, word: string | undefined][] = [
    ['status', 'status'],
    ['STATUS', 'status'],
    ['statsu', 'status'],
    ['sstop', 'stop'],
    ['strat', 'start'],
    ['checkconfig', 'check-config'],
    ['check', undefined],
    ['deploy', undefined],
  ];
  for (const [typed, word] of table)
    test(`"${typed}" → ${word ?? 'none'}`, () => assert.equal(closestWord(typed, WORDS), word));
});

test('without words there is no suggestion', () => {
  assert.equal(closestWord('x', []), undefined);
});
