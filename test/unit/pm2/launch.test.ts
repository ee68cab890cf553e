import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { findStartError, launchSettingsOf, readStartError } from '../../../src/pm2/launch.ts';
import { tempFolder } from '../../support/temp-dir.ts';

const at = (second: number): string => `2026-11-30T17:39:${second}`;
const log = (second: number, text: string): string => `${at(second)}: PM2 log: ${text}`;
const error = (second: number, text: string): string => `${at(second)}: PM2 error: ${text}`;
const starts = (second: number, app: string): string => log(second, `App [${app}:0] starting in -fork mode-`);
const ENOENT = 'spawn /opt/node ENOENT';
/** The attempt was in the middle of second 39; the log has whole seconds. */
const ATTEMPT = Date.parse(at(39)) + 500;

describe("why PM2's latest attempt to start an app failed, by the daemon's log", () => {
  const table: readonly [what: string, lines: readonly string[], found: string | null][] = [
    ['an error of spawn', [starts(39, 'a'), error(39, `Error: ${ENOENT}`), '    at x'], ENOENT],
    [
      'what PM2 has caught itself',
      [starts(39, 'a'), error(39, 'Trace: Error: spawn ENOMEM')],
      'spawn ENOMEM',
    ],
    ['among the lines of others', [starts(39, 'a'), starts(39, 'b'), error(39, `Error: ${ENOENT}`)], ENOENT],
    ['no line of the app', [starts(39, 'b'), error(39, `Error: ${ENOENT}`)], null],
    ['a name that only begins alike', [starts(39, 'ab'), error(39, `Error: ${ENOENT}`)], null],
    ['an old attempt', [starts(37, 'a'), error(37, `Error: ${ENOENT}`)], null],
    [
      'an attempt that succeeded',
      [starts(39, 'a'), log(39, 'App [a:0] online'), error(39, `Error: ${ENOENT}`)],
      null,
    ],
    [
      'an attempt after one that failed',
      [starts(38, 'a'), error(38, `Error: ${ENOENT}`), starts(39, 'a'), log(39, 'App [a:0] online')],
      null,
    ],
    ['nothing', [], null],
    ['another format', ['App [a:0] starting in -fork mode-', 'Error: spawn'], null],
  ];
  for (const [what, lines, found] of table)
    test(what, () => assert.equal(findStartError(lines, 'a', ATTEMPT), found));

  test('and a log that is not there explains nothing', () => {
    const daemonLog = join(tempFolder(), 'pm2.log');
    assert.equal(readStartError({ daemonLog }, 'a', ATTEMPT), null);
    writeFileSync(daemonLog, [starts(39, 'a'), error(39, `Error: ${ENOENT}`), ''].join('\n'));
    assert.equal(readStartError({ daemonLog }, 'a', ATTEMPT), ENOENT);
  });
});

test("what PM2 starts an app's process with", () => {
  const listed = {
    exec_interpreter: '/opt/node',
    pm_exec_path: '/a/cli.js',
    pm_cwd: '/a',
    node_args: ['--a'],
    args: 'one',
    namespace: 'n',
    pm_uptime: 7,
    PATH: '/bin',
  };
  assert.deepEqual(launchSettingsOf(listed, '/home'), {
    interpreter: '/opt/node',
    interpreterArgs: ['--a'],
    script: '/a/cli.js',
    args: ['one'],
    folder: '/a',
    namespace: 'n',
    searchPath: '/bin',
    attemptedAt: 7,
    daemonLog: '/home/pm2.log',
  });
  assert.equal(launchSettingsOf({ ...listed, exec_interpreter: 'none' }, '/home')?.interpreter, null);
  assert.equal(launchSettingsOf({}, '/home'), undefined);
});
