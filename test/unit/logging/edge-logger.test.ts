import assert from 'node:assert/strict';
import { test } from 'node:test';
import { createEdgeLogger } from '../../../src/logging/edge-logger.ts';

const createRecorded = (repeatOnChange?: boolean) => {
  const lines: string[] = [];
  const edge = createEdgeLogger({
    onFail: (problem) => lines.push(problem),
    onRecover: () => lines.push('recovered'),
    ...(repeatOnChange === undefined ? {} : { repeatOnChange }),
  });
  return { edge, lines };
};

test('a failure is reported once, and once when it is over', () => {
  const { edge, lines } = createRecorded();
  edge.succeeded();
  edge.failed('full');
  edge.failed('still full');
  edge.succeeded();
  edge.succeeded();
  edge.failed('full again');
  assert.deepEqual(lines, ['full', 'recovered', 'full again']);
});

test('with repeatOnChange a new problem is reported, too', () => {
  const { edge, lines } = createRecorded(true);
  for (const problem of ['a', 'a', 'b']) edge.failed(problem);
  assert.deepEqual([lines, edge.problem()], [['a', 'b'], 'b']);
  edge.succeeded();
  assert.equal(edge.problem(), null);
});
