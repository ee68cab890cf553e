import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { freePort } from './proxy-harness.ts';

const GIVE_UP_MS = 90_000;

/** One alert as Alertmanager's webhook has it. */
export interface Notified {
  readonly status: 'firing' | 'resolved';
  readonly labels: Readonly<Record<string, string>>;
  readonly annotations: Readonly<Record<string, string>>;
}

/** A real Prometheus with a real Alertmanager behind it, and a receiver of its webhook. */
export interface Observatory {
  /** An instant query: what it gives. */
  query(expr: string): Promise<readonly { readonly value: readonly [number, string] }[]>;
  /** Asks of Prometheus's HTTP API. */
  api(path: string): Promise<unknown>;
  /** Waits until an alert has come through with the status; the alert. */
  notified(alert: string, status: Notified['status']): Promise<Notified>;
  close(): Promise<void>;
}

/**
 * The project's own rules and config of Alertmanager; what takes minutes in them is shortened.
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
  const [web, alertmanager] = [await freePort(), await freePort()];
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
      ...[`--config.file=${prometheusConfig}`, `--storage.tsdb.path=${join(folder, 'data')}`],
      ...[`--web.listen-address=127.0.0.1:${web}`, '--rules.alert.resend-delay=1s'],
    ]),
    start('prometheus-alertmanager', folder, [
      ...[`--config.file=${alertmanagerConfig}`, `--storage.path=${join(folder, 'alerts')}`],
      ...[`--web.listen-address=127.0.0.1:${alertmanager}`, '--cluster.listen-address='],
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
      until(`${alert} ${status}`, async () =>
        received.find((one) => one.labels['alertname'] === alert && one.status === status),
      ),
    close: async () => {
      for (const one of programs) await end(one);
      receiver.closeAllConnections();
      await new Promise((done) => receiver.close(done));
      rmSync(folder, { recursive: true, force: true });
    },
  };
  const ready = async (port: number) =>
    (await fetch(`http://127.0.0.1:${port}/-/ready`).catch(() => null))?.ok || undefined;
  await until('Prometheus ready', () => ready(web));
  await until('Alertmanager ready', () => ready(alertmanager));
  return observatory;
};

/** blackbox_exporter with its TCP module. */
export const openBlackboxExporter = async (): Promise<{
  readonly address: string;
  close(): Promise<void>;
}> => {
  const folder = mkdtempSync(join(tmpdir(), 'sp-prom-'));
  writeFileSync(join(folder, 'blackbox.yml'), 'modules: {tcp_connect: {prober: tcp}}\n');
  const address = `127.0.0.1:${await freePort()}`;
  const child = start('prometheus-blackbox-exporter', folder, [
    ...['--config.file=blackbox.yml', `--web.listen-address=${address}`],
    // Taken off Prometheus's own time-out, which is short here.
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

/** Asks again and again until there is an answer. */
export const until = async <T>(what: string, ask: () => Promise<T | undefined>): Promise<T> => {
  for (const giveUpAt = Date.now() + GIVE_UP_MS; Date.now() < giveUpAt; await pause(100)) {
    const answer = await ask();
    if (answer !== undefined) return answer;
  }
  throw new Error(`it never came to be: ${what}`);
};

const start = (program: string, cwd: string, args: readonly string[]): ChildProcess =>
  spawn(program, args, { cwd, stdio: 'ignore' });

const end = async (child: ChildProcess): Promise<void> => {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const exit = once(child, 'exit');
  child.kill('SIGKILL');
  await exit;
};
