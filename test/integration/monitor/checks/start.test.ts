import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import type { Evidence, Pm2Evidence } from '../../../../src/health/types.ts';
import { createStartCheck } from '../../../../src/monitor/checks/start.ts';
import type { Pm2App } from '../../../../src/pm2/client.ts';
import { tempFolder } from '../../../support/temp-dir.ts';

/** An app with all that it needs, in a folder of its own. */
const rig = (launchChange: Partial<NonNullable<Pm2App['launch']>> = {}) => {
  const root = tempFolder();
  const path = (name: string): string => join(root, name);
  for (const folder of ['bin', 'folder', 'logs']) mkdirSync(path(folder));
  writeFileSync(path('bin/node'), '', { mode: 0o755 });
  writeFileSync(path('cli.js'), '');
  const launch = {
    interpreter: path('bin/node'),
    interpreterArgs: [],
    script: path('cli.js'),
    args: [],
    folder: path('folder'),
    namespace: '',
    searchPath: `/nowhere:${path('bin')}`,
    attemptedAt: 0,
    daemonLog: path('pm2.log'),
    ...launchChange,
  };
  const logs = { out: path('logs/a-out.log'), err: path('logs/a-error.log') };
  const check = createStartCheck('a');
  return {
    path,
    check: (
      status: Pm2Evidence = 'start_failed',
      {
        process = 'unknown',
        heartbeat = 'unreachable',
      }: Partial<Pick<Evidence, 'process' | 'heartbeat'>> = {},
    ) =>
      check(status, { pid: 100, status, statusText: status, logs, launch, env: {} }, { process, heartbeat }),
  };
};

describe('what is missing for the start of an app is named, with what to do', () => {
  const table: readonly [name: string, problem: (path: string) => string, advice: RegExp][] = [
    [
      'bin/node',
      (path) => `its interpreter ${path} does not exist`,
      /^npm start.*Node\.js that there is now/,
    ],
    ['cli.js', (path) => `its script ${path} does not exist`, /^npm start/],
    ['folder', (path) => `its folder ${path} does not exist`, /^npm start/],
    ['logs', (path) => `the folder of its log, ${path}, does not exist`, /^mkdir -p \//],
  ];
  for (const [name, problem, advice] of table)
    test(name, () => {
      const { path, check } = rig();
      assert.deepEqual(check(), { startFiles: 'ok', problem: null, advice: null });
      renameSync(path(name), path('away'));
      const found = check();
      assert.deepEqual([found.startFiles, found.problem], ['missing', problem(path(name))]);
      assert.match(found.advice ?? '', advice);
      assert.match(found.advice ?? '', /The monitor starts it as soon as that is mended$/);
      renameSync(path('away'), path(name));
      assert.equal(check().startFiles, 'ok');
    });

  test('an interpreter that may not be executed', () => {
    const { path, check } = rig();
    chmodSync(path('bin/node'), 0o644);
    assert.equal(check().problem, `its interpreter ${path('bin/node')} may not be executed (EACCES)`);
  });

  test('a file in the place of its folder', () => {
    const { path, check } = rig();
    rmSync(path('folder'), { recursive: true });
    writeFileSync(path('folder'), '');
    assert.equal(check().problem, `its folder ${path('folder')} does not exist`);
  });

  test('an interpreter without a path is looked up in its PATH', () => {
    const { path, check } = rig({ interpreter: 'node' });
    assert.equal(check().startFiles, 'ok');
    rmSync(path('bin/node'));
    assert.equal(check().problem, 'its interpreter node is in no folder of its PATH');
    assert.equal(rig({ interpreter: 'node', searchPath: null }).check().startFiles, 'unknown');
  });

  test('the error of fork is read where nothing is missing', () => {
    const { path, check } = rig({ attemptedAt: Date.parse('2026-11-30T17:39:39') });
    const lines = [
      'PM2 log: App [a:0] starting in -fork mode-',
      'PM2 error: Error: spawn /opt/node EAGAIN',
      '',
    ];
    writeFileSync(path('pm2.log'), lines.map((line) => line && `2026-11-30T17:39:39: ${line}`).join('\n'));
    const { problem, advice } = check();
    assert.equal(problem, 'spawn /opt/node EAGAIN');
    assert.match(advice ?? '', /ulimit -u/);
  });
});

describe('nothing is looked at', () => {
  const nothing = { startFiles: 'unknown', problem: null, advice: null };
  const table: readonly [Pm2Evidence, Partial<Pick<Evidence, 'process' | 'heartbeat'>>][] = [
    ['online', { process: 'alive', heartbeat: 'ok' }],
    ['online', { process: 'alive', heartbeat: 'silent' }],
    ['start_failed', { heartbeat: 'ok' }],
    ['stopped', {}],
    ['stopping', {}],
    ['missing', {}],
    ['unknown', {}],
  ];
  for (const [status, evidence] of table)
    test(`${status} ${JSON.stringify(evidence)}`, () => {
      const { path, check } = rig();
      rmSync(path('cli.js'));
      assert.deepEqual(check(status, evidence), nothing);
    });

  test('but the script of a process that was launched and has not answered yet', () => {
    const { path, check } = rig();
    rmSync(path('bin'), { recursive: true });
    assert.equal(check('launching', { process: 'alive' }).startFiles, 'ok');
    rmSync(path('cli.js'));
    assert.equal(check('launching', { process: 'alive' }).startFiles, 'missing');
  });
});
