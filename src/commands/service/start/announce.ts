import { proxyIdOf } from '../../../config/app-names.ts';
import type { Settings } from '../../../config/settings.ts';
import { connectControl } from '../../../ipc/client.ts';
import type { ProxyProtocol } from '../../../ipc/protocol.ts';
import type { ProxyReport } from '../../../proxy/report.ts';
import type { StateDir } from '../../../system/state-dir.ts';
import { commandLine } from '../../command-line.ts';
import type { Plan, Step } from './plan.ts';

/** The open connections of apps; an app that does not answer at once is missing. */
export type ConnectionCounts = ReadonlyMap<string, number>;

const ANSWER_TIMEOUT_MS = 300;

/** Asks each proxy that is closed, replaced or moved. */
export const countConnections = async (
  names: readonly string[],
  stateDir: StateDir,
): Promise<ConnectionCounts> => {
  const reports = await askReports(names, stateDir);
  return new Map(reports.map(([name, { connections }]) => [name, connections.active]));
};

/** The plan, in which each app that is only started has the process as a reason that lost its PM2 daemon and leaves for it. */
export const withOrphans = async (plan: Plan, stateDir: StateDir): Promise<Plan> => {
  const started = plan.filter(({ action }) => action === 'start').map(({ name }) => name);
  const reports = await askReports(started, stateDir);
  const orphans = reports.filter(([, { supervisor }]) => supervisor === null).map(([name]) => name);
  return plan.map((step) =>
    orphans.includes(step.name) ? { ...step, reasons: [...step.reasons, ORPHAN] } : step,
  );
};

/** The apps whose connections the plan cuts. */
export const namesOfEnded = (plan: Plan): readonly string[] =>
  plan
    .filter(({ action, reasons }) => action === 'close' || action === 'replace' || reasons.includes(ORPHAN))
    .map(nameOf);

const ORPHAN = 'the process that serves it has no PM2 daemon, and leaves';

const askReports = async (
  names: readonly string[],
  stateDir: StateDir,
): Promise<readonly (readonly [name: string, report: ProxyReport])[]> => {
  const ask = async (name: string): Promise<readonly (readonly [string, ProxyReport])[]> => {
    const id = proxyIdOf(name);
    const report = id === undefined ? undefined : await askReport(stateDir.portFiles(id).socket);
    return report === undefined ? [] : [[name, report]];
  };
  return (await Promise.all(names.map(ask))).flat();
};

const askReport = async (socket: string): Promise<ProxyReport | undefined> => {
  try {
    const proxy = await connectControl<ProxyProtocol>(socket, ANSWER_TIMEOUT_MS);
    try {
      const report = await proxy.ask('report', null, ANSWER_TIMEOUT_MS);
      return Number.isInteger(report.connections.active) ? report : undefined;
    } finally {
      proxy.close();
    }
  } catch {
    // It is stopped, hangs, or is of a version that reports otherwise.
    return undefined;
  }
};

/** The plan in words: a line for each port that is closed, and one for all apps with which the same is done for the same reason. */
export const announcePlan = (
  plan: Plan,
  counts: ConnectionCounts,
  settings: Pick<Settings, 'commandPrefix' | 'isNpmScript'>,
): string => {
  const of = (action: Step['action']): Plan => plan.filter((step) => step.action === action);
  const left = of('leave');
  const passed = of('pass');
  const lines = [
    ...of('close').map(
      (step) =>
        `Closes: ${portOf(step)}, which is ${step.reasons.join('; ')}${describeCount([step.name], counts)}`,
    ),
    ...grouped(of('replace')).map(
      ([reasons, steps]) =>
        `Replaces: ${namesOf(steps)}: ${reasons}${describeCount(steps.map(nameOf), counts)}`,
    ),
    ...grouped(of('trim')).map(
      ([reasons, steps]) => `Ends copies: ${namesOf(steps)}: ${reasons}; the one with the port goes on`,
    ),
    ...grouped(of('start')).map(
      ([reasons, steps]) =>
        `Starts: ${namesOf(steps)}${reasons && `: ${reasons}`}${describeCount(steps.map(nameOf), counts)}`,
    ),
    ...(left.length > 0
      ? [`Leaves stopped: ${namesOf(left)}; to start: ${commandLine(settings, 'start', ...left.map(idOf))}`]
      : []),
    ...(passed.length > 0
      ? [
          `Leaves as it is, since it is not named: ${namesOf(passed)}; for all: ${commandLine(settings, 'start')}`,
        ]
      : []),
  ];
  return lines.map((line) => `${line}\n`).join('');
};

const grouped = (steps: Plan): readonly (readonly [reasons: string, steps: Plan])[] => {
  const textOf = ({ reasons }: Step): string => reasons.join('; ');
  const texts = [...new Set(steps.map(textOf))];
  return texts.map((text) => [text, steps.filter((step) => textOf(step) === text)]);
};

const nameOf = ({ name }: Step): string => name;

const namesOf = (steps: Plan): string => steps.map(({ name }) => name).join(', ');

const idOf = ({ name }: Step): string => proxyIdOf(name) ?? name;

/** "port 6274", "socket app.sock" */
const portOf = ({ name }: Step): string =>
  `${name.startsWith('unix-') ? 'socket' : 'port'} ${proxyIdOf(name) ?? name}`;

/** ", with 3 connections"; empty when none is known. */
export const describeCount = (names: readonly string[], counts: ConnectionCounts): string => {
  const count = names.reduce((sum, name) => sum + (counts.get(name) ?? 0), 0);
  return count === 0 ? '' : `, with ${count} ${count === 1 ? 'connection' : 'connections'}`;
};
