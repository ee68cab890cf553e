import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after } from 'node:test';
import { freePort } from './proxy-harness.ts';
import { needs, needsProgram } from './requirements.ts';
import { tempFolder } from './temp-dir.ts';

export const needsAlertmanager = (): false | string =>
  needs(
    ...['prometheus-alertmanager', 'amtool'].map((name) => needsProgram(name, 'prometheus-alertmanager')),
  );

/** An alert as GET /api/v2/alerts shows it. */
export interface ShownAlert {
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
  readonly startsAt: string;
  readonly endsAt: string;
  readonly fingerprint: string;
  readonly status: { readonly state: string };
}

/** The real Alertmanager, below a path, which tells a webhook everything at once. Ended after the test that asked for it. */
export const openAlertmanager = async (
  webhook: string,
): Promise<{ readonly url: string; alerts(): Promise<readonly ShownAlert[]> }> => {
  const folder = tempFolder();
  const config = join(folder, 'alertmanager.yml');
  // JSON is YAML.
  writeFileSync(
    config,
    JSON.stringify({
      route: {
        receiver: 'hook',
        group_by: ['alertname', 'proxy'],
        group_wait: '0s',
        group_interval: '1s',
        repeat_interval: '1h',
      },
      receivers: [{ name: 'hook', webhook_configs: [{ url: webhook, send_resolved: true }] }],
    }),
  );
  execFileSync('amtool', ['check-config', config], { stdio: 'pipe' });
  const address = `127.0.0.1:${await freePort()}`;
  const url = `http://${address}/below`;
  const child = spawn(
    'prometheus-alertmanager',
    [
      `--config.file=${config}`,
      `--storage.path=${join(folder, 'data')}`,
      `--web.listen-address=${address}`,
      `--web.external-url=${url}`,
      '--cluster.listen-address=',
    ],
    { stdio: 'ignore' },
  );
  after(() => end(child));
  await untilReady(child, `${url}/-/ready`);
  return {
    url,
    alerts: async () => (await (await fetch(`${url}/api/v2/alerts`)).json()) as readonly ShownAlert[],
  };
};

const end = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
};

/** For a minute at most. */
const untilReady = async (child: ChildProcess, url: string): Promise<void> => {
  for (const giveUpAt = Date.now() + 60_000; Date.now() < giveUpAt; ) {
    const isReady = await fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
    if (isReady) return;
    if (child.exitCode !== null) break;
  }
  throw new Error(`Alertmanager did not become ready; exit code ${child.exitCode}`);
};
