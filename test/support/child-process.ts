import assert from 'node:assert/strict';
import { type ChildProcess, spawn } from 'node:child_process';
import type { TestContext } from 'node:test';

export type Child = ChildProcess & { readonly pid: number };

/** Starts a program that is killed when the test ends. Its stdout is a pipe, its stderr is this process's. */
export const startChild = (t: TestContext, file: string, args: readonly string[]): Child => {
  const child = spawn(file, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  t.after(() => child.kill('SIGKILL'));
  const { pid } = child;
  assert.ok(pid);
  return Object.assign(child, { pid });
};
