import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after } from 'node:test';
import { freePort } from '../proxy/proxy-harness.ts';
import { needs, needsProgram } from '../requirements.ts';
import { tempFolder } from '../temp-dir.ts';
import { until } from '../until.ts';

export const needsAlertmanager = (): false | string =>
  needs(
    needsProgram('prometheus-alertmanager', 'prometheus-alertmanager'),
    needsProgram('amtool', 'prometheus-alertmanager'),
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

/** Starts the real Alertmanager below a path; it sends everything to a webhook at once. It ends after the test. */
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
  await waitUntilReady(child, `${url}/-/ready`);
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

const waitUntilReady = async (child: ChildProcess, url: string): Promise<void> => {
  const isReady = (): Promise<boolean> =>
    fetch(url).then(
      ({ ok }) => ok,
      () => false,
    );
  await until(async () => child.exitCode !== null || (await isReady()), 'Alertmanager is ready');
  if (child.exitCode !== null) throw new Error(`Alertmanager ended with exit code ${child.exitCode}`);
};
