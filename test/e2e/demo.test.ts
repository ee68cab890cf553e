import assert from 'node:assert/strict';
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, rmSync } from 'node:fs';
import { userInfo } from 'node:os';
import { type TestContext, test } from 'node:test';
import { readInteger } from '../../src/system/files.ts';
import { takeLock } from '../../src/system/lock.ts';
import { isAlive } from '../../src/system/proc/procfs.ts';
import { createMonitorClient } from '../support/pm2/monitor-client.ts';
import { tempFolder } from '../support/temp-dir.ts';

interface Result {
  readonly code: number;
  readonly output: string;
}

/** @param line as typed into a shell in the project's folder */
const runShell = (line: string, env: NodeJS.ProcessEnv): Promise<Result> =>
  new Promise((done) => {
    execFile('sh', ['-c', line], { env, timeout: 120_000 }, (error, stdout, stderr) =>
      done({ code: typeof error?.code === 'number' ? error.code : error ? -1 : 0, output: stdout + stderr }),
    );
  });

/** Starts the demo, which has its folder in TMPDIR. @returns the commands that it prints, each with what it is for */
const startDemo = async (t: TestContext) => {
  const folder = tempFolder();
  const env = { PATH: process.env['PATH'], HOME: folder, TMPDIR: folder, NO_COLOR: '1' };
  const run = (line: string): Promise<Result> => runShell(line, env);
  t.after(() => run('npm run demo -- --stop'));
  const { code, output } = await run('npm run demo');
  assert.equal(code, 0, output);
  const commands = [...output.matchAll(/^ {2}(\S.*):\n {6}(\S.*)$/gm)].map(([, text = '', line = '']) => ({
    text,
    line,
  }));
  const find = (word: string): string =>
    commands.find(({ text }) => text.includes(word))?.line ?? assert.fail(`no command for "${word}"`);
  const [demoFolder = ''] = readdirSync(folder).filter((name) => name.startsWith('steadyport-demo'));
  const monitor = createMonitorClient(`${folder}/${demoFolder}/home`);
  return { folder, demoFolder, env, run, commands, find, monitor };
};

test('the demo shows a recovery, and each command that it prints does what it says', async (t) => {
  const { folder, demoFolder, env, run, commands, find, monitor } = await startDemo(t);
  const { proxies } = (await monitor.ask()) ?? assert.fail('no monitor answers');
  const [{ id, pid } = assert.fail('no proxy')] = proxies;
  const isUp = ({ state }: { state: string }): boolean => state === 'up';

  assert.match((await run(find('what is up'))).output, /^[\w.-]+: Both ports are up\.$/m);
  assert.match((await run(find('through the proxy'))).output, /steadyport demo/);
  // The port of a monitor that may run beside it.
  assert.doesNotMatch(find('over HTTP'), /:6270\//);
  assert.match((await run(find('over HTTP'))).output, /"version":2/);
  await watchOnce(find('once a second'), env);

  assert.equal((await run(find('kill the proxy'))).code, 0);
  await monitor.proxyUntil(id, (proxy) => isUp(proxy) && proxy.pid !== pid);
  assert.equal((await run(find('stop the application'))).code, 0);
  await monitor.snapshotUntil((now) => now.proxies.every(({ cause }) => cause === 'upstream_down'));
  assert.equal((await run(find('start it'))).code, 0);
  await monitor.snapshotUntil((now) => now.proxies.every(isUp));
  assert.equal((await run(find('stop a proxy'))).code, 0);
  await monitor.proxyUntil(id, ({ state }) => state === 'stopped');
  assert.match((await run(find('what was logged'))).output, /proxy-monitor +\| .*is not running/);
  const [, startAgain = ''] = / it again with: (.*)$/m.exec((await run(find('what is up'))).output) ?? [];
  assert.equal((await run(startAgain)).code, 0);
  await monitor.proxyUntil(id, isUp);

  assert.match((await run('npm run demo')).output, /^A demo runs already\. It is ended, and a new one/m);
  // A daemon whose socket was removed cannot be asked to end.
  const daemon = readInteger(`${folder}/${demoFolder}/pm2/pm2.pid`) ?? assert.fail('no daemon');
  rmSync(`${folder}/${demoFolder}/pm2/rpc.sock`);
  const end = await run(find('end it'));
  assert.deepEqual([end.code, commands.length], [0, 10], end.output);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith('steadyport-demo')),
    [],
  );
  assert.equal(isAlive(daemon), false);
  const none = await run('npm run demo -- status');
  assert.equal(none.code, 2);
  assert.match(none.output, /^demo: it does not run; start it with: npm run demo$/m);
});

test('the demo says what it can do, and starts nothing then', async () => {
  const folder = tempFolder();
  const env = { PATH: process.env['PATH'], HOME: folder, TMPDIR: folder };
  const { code, output } = await runShell('npm run demo -- --help', env);
  assert.equal(code, 0, output);
  for (const word of ['--inspector', '--stop', 'COMMAND']) assert.ok(output.includes(`\n  ${word} `), output);
  assert.deepEqual(
    readdirSync(folder).filter((name) => name.startsWith('steadyport-demo')),
    [],
  );
});

test('while the demo is started or stopped, another start and stop of it do nothing', async (t) => {
  const folder = tempFolder();
  const path = `${folder}/steadyport-demo-${userInfo().uid}.lock`;
  t.after(takeLock(path) ?? assert.fail('no lock'));
  const env = { PATH: process.env['PATH'], HOME: folder, TMPDIR: folder };
  const refusal = new RegExp(
    `^demo: another one is being started or stopped \\(pid ${process.pid}\\); wait until that is done$`,
    'm',
  );
  for (const command of ['npm run demo', 'npm run demo -- --stop']) {
    const { code, output } = await runShell(command, env);
    assert.equal(code, 1, output);
    assert.match(output, refusal);
  }
});

/** Runs a command that goes on, until it has printed the status twice. */
const watchOnce = async (line: string, env: NodeJS.ProcessEnv): Promise<void> => {
  const child = spawn('sh', ['-c', `exec ${line}`], {
    env,
    detached: true,
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  const closed = once(child, 'close');
  let output = '';
  const timesPrinted = (): number => output.split('Both ports are up.').length - 1;
  for await (const text of child.stdout.setEncoding('utf8')) {
    output += text;
    if (timesPrinted() >= 2) break;
  }
  process.kill(-Number(child.pid), 'SIGINT');
  await closed;
  assert.ok(timesPrinted() >= 2, output);
};
