import { setTimeout as sleep } from 'node:timers/promises';
import { proxyIdOf } from '../../../config/app-names.ts';
import type { AppDefinition } from '../../../pm2/apps.ts';
import { createPm2, type Pm2, type Pm2App, Pm2Failure, runPm2Command } from '../../../pm2/client.ts';
import type { Release } from '../../../release/release.ts';
import { readInteger } from '../../../system/files.ts';
import type { StateDir } from '../../../system/state-dir.ts';
import { deleteApp } from '../teardown.ts';
import type { Plan, Step } from './plan.ts';

export interface Execution {
  readonly pm2Home: string;
  readonly stateDir: StateDir;
  /** It has the PM2 of a daemon that is launched. */
  readonly release: Release;
  /** Variables for that daemon, beside those of this process. */
  readonly daemonEnv: Readonly<Record<string, string>>;
  readonly monitorApp: string;
  readonly apps: readonly AppDefinition[];
  /** Called while no monitor runs, if the plan replaces it. */
  onMonitorGone(): void;
  /** Takes a line on an app for the user. */
  say(text: string): void;
}

/**
 * So many apps are started at once. Each port is away only while its own process is replaced, and not while the others are, and
 * processes that start together on a few cores are all slow.
 */
const CONCURRENT_STARTS = 2;

/**
 * Carries the plan out. The monitor goes first and comes last, so that it reports none of what happens meanwhile and finds the
 * proxies running. A port that is replaced is away from its process's SIGINT until its successor listens: PM2 has the next
 * one's settings by then, so nothing else is waited for.
 * @throws Pm2Failure with PM2's message, when everything that could be done is done
 */
export const executePlan = async (plan: Plan, execution: Execution): Promise<void> => {
  const { pm2Home, monitorApp, onMonitorGone } = execution;
  const isMonitor = ({ name }: Step): boolean => name === monitorApp;
  const started = plan.filter(({ action }) => action === 'replace' || action === 'start');
  if (started.length > 0 && plan.every(({ listed }) => listed === undefined)) await launchDaemon(execution);
  const pm2 = createPm2(pm2Home);
  try {
    for (const step of started.filter(isMonitor)) {
      await removeListed(pm2, step, execution);
      onMonitorGone();
    }
    const closing = plan.filter(({ action }) => action === 'close');
    await all(closing, closing.length, (step) => removeListed(pm2, step, execution));
    await all(
      plan.filter(({ action }) => action === 'trim'),
      1,
      (step) => removeCopies(pm2, step, execution),
    );
    // Those that serve already come last: a failure at the others is no reason to cut anything.
    const proxies = started.filter((step) => !isMonitor(step));
    await all(proxies, CONCURRENT_STARTS, async (step) => {
      await removeListed(pm2, step, execution);
      await startApp(pm2, step, execution);
    });
    for (const step of started.filter(isMonitor)) await startApp(pm2, step, execution);
  } finally {
    pm2.close();
  }
};

/** Runs the command of PM2 that does nothing but launch a daemon where none answers. @throws Pm2Failure with what it prints */
const launchDaemon = async ({ release, daemonEnv }: Execution): Promise<void> => {
  const { exitCode, output } = await runPm2Command(release.folder, ['ping'], daemonEnv);
  if (exitCode !== 0) throw new Pm2Failure(`PM2 could not be started: ${output.trim()}`);
};

const removeListed = async (
  pm2: Pm2,
  { name, listed }: Step,
  { stateDir, monitorApp, say }: Execution,
): Promise<void> => {
  if (listed === undefined) return;
  const wasKilled = await deleteApp(pm2, stateDir, monitorApp, name, listed);
  if (wasKilled) say(`${name} did not leave by itself, and was killed`);
};

/** Longer than PM2 waits for a process that is starting (listen_timeout in pm2/apps.ts). */
const MAX_TRIM_MS = 12_000;
const LIST_INTERVAL_MS = 100;

/**
 * Deletes all but the copy that has the port. It waits for a copy that PM2 is launching, since PM2 would bring back one that is
 * deleted then.
 * @throws Pm2Failure
 */
const removeCopies = async (pm2: Pm2, { name }: Step, { stateDir }: Execution): Promise<void> => {
  const fail = failureOf(`the copies of ${name} could not be ended`);
  for (const startedAt = performance.now(); ; await sleep(LIST_INTERVAL_MS)) {
    const view = await pm2.list();
    if (!view.ok) return fail(new Error(view.problem));
    const copies = copiesWithoutPort(view.apps.get(name), name, stateDir);
    if (copies.length === 0) return;
    if (performance.now() - startedAt > MAX_TRIM_MS) return fail(new Error('PM2 brings them back'));
    for (const { pm2Id } of copies.filter(({ status }) => status !== 'launching'))
      if (pm2Id !== undefined) await pm2.deleteCopy(pm2Id).catch(fail);
  }
};

/** The copy with the port has written the file with its pid. */
const copiesWithoutPort = (app: Pm2App | undefined, name: string, stateDir: StateDir): readonly Pm2App[] => {
  if (app === undefined) return [];
  const { copies = [], ...first } = app;
  const id = proxyIdOf(name);
  const holderPid = id === undefined ? undefined : readInteger(stateDir.portFiles(id).pidFile);
  const instances: readonly Pm2App[] = [first, ...copies];
  const holder = instances.find(({ pid }) => pid !== null && pid === holderPid) ?? first;
  return instances.filter((instance) => instance !== holder);
};

const startApp = async (pm2: Pm2, { name }: Step, { apps }: Execution): Promise<void> => {
  const app = apps.find((each) => each.name === name);
  if (app) await pm2.start(app).catch(failureOf(`${name} could not be started by PM2`));
};

const failureOf =
  (what: string) =>
  (error: Error): never => {
    throw new Pm2Failure(`${what}: ${error.message}`, { cause: error });
  };

/** Runs all, so many at once. @throws the first failure, after all have ended */
const all = async <T>(
  items: readonly T[],
  concurrency: number,
  run: (item: T) => Promise<void>,
): Promise<void> => {
  const queue = [...items];
  const failures: unknown[] = [];
  const work = async (): Promise<void> => {
    for (let item = queue.shift(); item !== undefined; item = queue.shift())
      await run(item).catch((error: unknown) => failures.push(error));
  };
  await Promise.all(Array.from({ length: concurrency }, work));
  if (failures.length > 0) throw failures[0];
};
