import assert from 'node:assert/strict';
import { test } from 'node:test';
import { announcePlan } from '../../../../../src/commands/service/start/announce.ts';
import type { Plan, Step } from '../../../../../src/commands/service/start/plan.ts';

const step = (name: string, action: Step['action'], ...reasons: readonly string[]): Step => ({
  name,
  action,
  reasons,
});

const announce = (plan: Plan, counts: Readonly<Record<string, number>> = {}): readonly string[] =>
  announcePlan(plan, new Map(Object.entries(counts)), { commandPrefix: undefined, isNpmScript: true })
    .split('\n')
    .slice(0, -1);

test('nothing is said of what is kept', () => {
  assert.deepEqual(announce([step('tcp-proxy-6274', 'keep')]), []);
});

test('what is closed has a line for each port, with its connections, and comes first', () => {
  const plan = [
    step('proxy-monitor', 'start'),
    step('tcp-proxy-6275', 'close', 'no longer in the config'),
    step('unix-proxy-app.sock', 'close', 'disabled in the config, and was stopped'),
    step('tcp-proxy-6276', 'close', 'no longer in the config'),
  ];
  assert.deepEqual(announce(plan, { 'tcp-proxy-6275': 3, 'unix-proxy-app.sock': 0, 'tcp-proxy-6276': 1 }), [
    'Closes: port 6275, which is no longer in the config, with 3 connections',
    'Closes: socket app.sock, which is disabled in the config, and was stopped',
    'Closes: port 6276, which is no longer in the config, with 1 connection',
    'Starts: proxy-monitor',
  ]);
});

test('what has the same reasons has one line, with the connections of all', () => {
  const plan = [
    step('tcp-proxy-1', 'replace', 'another folder: /a, not /b', 'another namespace: x, not y'),
    step('tcp-proxy-2', 'replace', 'the config or the code has changed'),
    step('tcp-proxy-3', 'replace', 'another folder: /a, not /b', 'another namespace: x, not y'),
    step('tcp-proxy-4', 'trim', '2 copies'),
    step('tcp-proxy-5', 'start', 'was stopped'),
    step('tcp-proxy-6', 'start'),
  ];
  assert.deepEqual(announce(plan, { 'tcp-proxy-1': 1, 'tcp-proxy-3': 1 }), [
    'Replaces: tcp-proxy-1, tcp-proxy-3: another folder: /a, not /b; another namespace: x, not y, with 2 connections',
    'Replaces: tcp-proxy-2: the config or the code has changed',
    'Ends copies: tcp-proxy-4: 2 copies; the one with the port goes on',
    'Starts: tcp-proxy-5: was stopped',
    'Starts: tcp-proxy-6',
  ]);
});

test('what is left has the command that would change it', () => {
  const plan = [
    step('tcp-proxy-6274', 'leave'),
    step('unix-proxy-app.sock', 'leave'),
    step('tcp-proxy-6277', 'pass', 'no longer in the config'),
  ];
  assert.deepEqual(announce(plan), [
    'Leaves stopped: tcp-proxy-6274, unix-proxy-app.sock; to start: npm start -- 6274 app.sock',
    'Leaves as it is, since it is not named: tcp-proxy-6277; for all: npm start',
  ]);
});
