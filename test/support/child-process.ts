import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import type { TestContext } from 'node:test';
import { setImmediate as turn } from 'node:timers/promises';

export type Child = ChildProcess & { readonly pid: number };

/** Killed when the test ends; its output is a pipe, its errors are this process's. */
export const startChild = (t: TestContext, file: string, args: readonly string[]): Child => {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const { pid } = child;
  assert.ok(pid);
  return Object.assign(child, { pid });
};

/** For what the system tells nobody about. */
export const until = async (wanted: () => boolean | Promise<boolean>, what: string): Promise<void> => {
  for (const giveUpAt = Date.now() + 60_000; !(await wanted()); await turn())
    assert.ok(Date.now() < giveUpAt, `never: ${what}`);
};
