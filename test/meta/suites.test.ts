import assert from 'node:assert/strict';
import { join } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';

interface Result {
  readonly name: string;
  readonly outcome: 'passed' | 'failed' | 'skipped';
}

const { nameApart, newFailures } = (await import(
  pathToFileURL(join(process.cwd(), 'test/suites/outcomes.js')).href
)) as {
  readonly nameApart: (results: readonly Result[]) => readonly Result[];
  readonly newFailures: (direct: readonly Result[], through: readonly Result[]) => readonly Result[];
};

const results = (outcomes: Readonly<Record<string, Result['outcome']>>): Result[] =>
  Object.entries(outcomes).map(([name, outcome]) => ({ name, outcome }));

test('a case of a suite fails through an engine when it fails there alone, or has no result there', () => {
  const direct = results({ good: 'passed', bad: 'failed', odd: 'skipped', worse: 'passed', gone: 'passed' });
  const through = results({ good: 'passed', bad: 'failed', odd: 'failed', worse: 'failed' });
  assert.deepEqual(
    newFailures(direct, through).map(({ name }) => name),
    ['odd', 'worse', 'gone'],
  );
});

test('cases of one name are told apart by their order', () => {
  const named = nameApart([...results({ one: 'passed', two: 'failed' }), ...results({ one: 'failed' })]);
  assert.deepEqual(
    named.map(({ name }) => name),
    ['one', 'two', 'one #2'],
  );
});
