import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { HAS_PROCFS } from '../../src/system/proc/procfs.ts';
import { blockable } from '../support/pm2/blockable-apps.ts';
import { openPm2Sandbox, openUpstream, type Pm2Sandbox } from '../support/pm2/pm2-sandbox.ts';
import { freePort } from '../support/proxy/proxy-harness.ts';
import { needs } from '../support/requirements.ts';

const skip = needs(HAS_PROCFS ? undefined : 'needs /proc (Linux)');

describe('a monitor that does not answer', { skip }, () => {
  let sandbox: Pm2Sandbox;
  let upstream: { port: number; close(): Promise<void> };

  before(async () => {
    sandbox = openPm2Sandbox();
    upstream = await openUpstream();
    const port = await freePort();
    sandbox.configure([{ listen: `127.0.0.1:${port}`, upstream: `127.0.0.1:${upstream.port}` }]);
    await sandbox.pm2('start', blockable(sandbox));
    await sandbox.proxyUntil(port, ({ state }) => state === 'up');
  });
  after(async () => {
    await upstream.close();
    await sandbox.close();
  });

  const monitorPid = async (): Promise<number> => {
    const { monitor } = (await sandbox.ask()) ?? {};
    assert.ok(monitor, 'the monitor answers');
    return monitor.pid;
  };

  test('because it is stopped by a signal is reported with its pid, its state and what to do', async () => {
    const pid = await monitorPid();
    process.kill(pid, 'SIGSTOP');
    const { code, stdout } = await sandbox.steadyport('status');
    assert.equal(code, 3);
    assert.match(stdout, /^[\w.-]+: The monitor does not answer\. The port is up\.$/m);
    const unwrapped = stdout.replaceAll(/\n +/g, ' ');
    assert.ok(
      unwrapped.includes(
        `→ the monitor's process ${pid} is stopped by a signal (state T): kill -CONT ${pid}, or npx pm2 restart proxy-monitor`,
      ),
      stdout,
    );
    const { monitor, monitorProblem, proxies } = await sandbox.status();
    assert.deepEqual([monitor, proxies[0]?.state], [null, 'up']);
    assert.match(monitorProblem ?? '', new RegExp(`process ${pid} is stopped`));
    process.kill(pid, 'SIGCONT');
    assert.equal(await monitorPid(), pid);
    assert.equal((await sandbox.status()).monitorProblem, null);
  });

  test('because it hangs is reported as such, and the reported command helps', async () => {
    const pid = await monitorPid();
    process.kill(pid, 'SIGUSR2');
    const { monitor, monitorProblem } = await sandbox.status();
    assert.equal(monitor, null);
    assert.match(
      monitorProblem ?? '',
      new RegExp(
        `^the monitor's process ${pid} runs \\(state [SR]\\), and does not answer: npx pm2 restart proxy-monitor$`,
      ),
    );
    await sandbox.pm2('restart', 'proxy-monitor');
    assert.notEqual(await monitorPid(), pid);
  });

  test('because there is none is reported as such', async () => {
    await sandbox.pm2('stop', 'proxy-monitor');
    const { code, stdout } = await sandbox.steadyport('status');
    assert.equal(code, 3);
    assert.match(stdout, /^[\w.-]+: No monitor\./);
    assert.match(stdout, /→ start it with: npm start/);
    assert.equal((await sandbox.status()).monitorProblem, null);
  });
});
