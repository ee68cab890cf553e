import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from '../proxy/proxy-harness.ts';
import { until } from '../until.ts';

/** One alert as Alertmanager's webhook has it. */
export interface Notified {
  readonly status: 'firing' | 'resolved';
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** A real Prometheus with a real Alertmanager behind it, and a receiver of its webhook. */
export interface Observatory {
  /** Runs an instant query. @returns its result */
  query(expr: string): Promise<readonly { readonly value: readonly [number, string] }[]>;
  /** Calls Prometheus's HTTP API. */
  api(path: string): Promise<unknown>;
  /** Waits until the webhook received an alert with this status. @returns the alert */
  notified(alert: string, status: Notified['status']): Promise<Notified>;
  close(): Promise<void>;
}

/**
 * Starts both with the project's own rules and Alertmanager config, in which durations of minutes are shortened.
 * @param scrapeConfigs YAML
 */
export const openObservatory = async (scrapeConfigs: string): Promise<Observatory> => {
  const folder = mkdtempSync(join(tmpdir(), 'sp-prom-'));
  const received: Notified[] = [];
  const receiver = createServer((request, response) => {
    let body = '';
    request.setEncoding('utf8').on('data', (text: string) => {
      body += text;
    });
    request.on('end', () => {
      received.push(...(JSON.parse(body) as { alerts: Notified[] }).alerts);
      response.end();
    });
  });
  await new Promise<void>((done) => receiver.listen(0, '127.0.0.1', done));
  const web = await freePort();
  const alertmanager = await freePort();
  const write = (name: string, text: string): string => {
    writeFileSync(join(folder, name), text);
    return join(folder, name);
  };
  write('rules.yml', readFileSync('observability/rules.yml', 'utf8').replace(/for: \d+[sm]$/gm, 'for: 1s'));
  const prometheusConfig = write(
    'prometheus.yml',
    `global: {scrape_interval: 500ms, scrape_timeout: 500ms, evaluation_interval: 500ms}
rule_files: [rules.yml]
alerting: {alertmanagers: [{static_configs: [{targets: ['127.0.0.1:${alertmanager}']}]}]}
scrape_configs:
${scrapeConfigs}`,
  );
  const alertmanagerConfig = write(
    'alertmanager.yml',
    readFileSync('observability/alertmanager.yml', 'utf8')
      .replaceAll('127.0.0.1:9094', `127.0.0.1:${(receiver.address() as AddressInfo).port}`)
      .replace('group_wait: 5s', 'group_wait: 0s')
      .replace('group_interval: 1m', 'group_interval: 1s'),
  );
  const programs = [
    start('prometheus', folder, [
      `--config.file=${prometheusConfig}`,
      `--storage.tsdb.path=${join(folder, 'data')}`,
      `--web.listen-address=127.0.0.1:${web}`,
      '--rules.alert.resend-delay=1s',
    ]),
    start('prometheus-alertmanager', folder, [
      `--config.file=${alertmanagerConfig}`,
      `--storage.path=${join(folder, 'alerts')}`,
      `--web.listen-address=127.0.0.1:${alertmanager}`,
      '--cluster.listen-address=',
    ]),
  ];
  const api = async (path: string): Promise<unknown> => {
    const answer = (await (await fetch(`http://127.0.0.1:${web}/api/v1/${path}`)).json()) as {
      status: string;
      data: unknown;
      error?: string;
    };
    if (answer.status !== 'success') throw new Error(`${path}: ${answer.error}`);
    return answer.data;
  };
  const observatory: Observatory = {
    api,
    query: async (expr) => ((await api(`query?query=${encodeURIComponent(expr)}`)) as { result: [] }).result,
    notified: (alert, status) =>
      until(
        async () => received.find((entry) => entry.labels['alertname'] === alert && entry.status === status),
        `${alert} ${status}`,
      ),
    close: async () => {
      for (const program of programs) await end(program);
      receiver.closeAllConnections();
      await new Promise((done) => receiver.close(done));
      rmSync(folder, { recursive: true, force: true });
    },
  };
  const ready = async (port: number) =>
    (await fetch(`http://127.0.0.1:${port}/-/ready`).catch(() => null))?.ok || undefined;
  await until(() => ready(web), 'Prometheus ready');
  await until(() => ready(alertmanager), 'Alertmanager ready');
  return observatory;
};

/** Starts blackbox_exporter with its TCP module. */
export const openBlackboxExporter = async (): Promise<{
  readonly address: string;
  close(): Promise<void>;
}> => {
  const folder = mkdtempSync(join(tmpdir(), 'sp-prom-'));
  writeFileSync(join(folder, 'blackbox.yml'), 'modules: {tcp_connect: {prober: tcp}}\n');
  const address = `127.0.0.1:${await freePort()}`;
  const child = start('prometheus-blackbox-exporter', folder, [
    '--config.file=blackbox.yml',
    `--web.listen-address=${address}`,
    // Subtracted from Prometheus's scrape timeout, which is short here.
    '--timeout-offset=0.1',
  ]);
  return {
    address,
    close: async () => {
      await end(child);
      rmSync(folder, { recursive: true, force: true });
    },
  };
};

const start = (program: string, cwd: string, args: readonly string[]): ChildProcess =>
  spawn(program, args, { cwd, stdio: 'ignore' });

const end = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
};
