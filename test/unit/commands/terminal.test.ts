import assert from 'node:assert/strict';
import { test } from 'node:test';
import { columnsOf } from '../../../src/commands/terminal.ts';

/** Runs `act` while stdout reports this number of columns. */
const withColumns = <T>(columns: number | undefined, act: () => T): T => {
  const saved = Object.getOwnPropertyDescriptor(process.stdout, 'columns');
  Object.defineProperty(process.stdout, 'columns', { value: columns, configurable: true });
  try {
    return act();
  } finally {
    if (saved) Object.defineProperty(process.stdout, 'columns', saved);
    else Reflect.deleteProperty(process.stdout, 'columns');
  }
};

for (const [reported, expected] of [
  [80, 80],
  [undefined, Number.POSITIVE_INFINITY],
  [0, Number.POSITIVE_INFINITY],
  [Number.NaN, Number.POSITIVE_INFINITY],
] as const)
  test(`stdout with ${reported} columns`, () => {
    assert.equal(
      withColumns(reported, () => columnsOf({ columns: undefined })),
      expected,
    );
    assert.equal(
      withColumns(reported, () => columnsOf({ columns: 40 })),
      40,
    );
  });
