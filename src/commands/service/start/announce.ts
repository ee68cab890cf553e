import { proxyIdOf } from '../../../config/app-names.ts';
import type { Settings } from '../../../config/settings.ts';
import { connectControl } from '../../../ipc/client.ts';
import type { ProxyProtocol } from '../../../ipc/protocol.ts';
import type { StateDir } from '../../../system/state-dir.ts';
import { commandLine } from '../../command-line.ts';
import type { Plan, Step } from './plan.ts';

/** The open connections of each app that is closed or replaced; an app that does not answer at once is missing. */
export type ConnectionCounts = ReadonlyMap<string, number>;

const ANSWER_TIMEOUT_MS = 300;

/** Asks each proxy that the plan closes or replaces. */
export const countConnections = async (plan: Plan, stateDir: StateDir): Promise<ConnectionCounts> => {
  const ask = async ({ name }: Step): Promise<readonly [string, number][]> => {
    const id = proxyIdOf(name);
    const count = id === undefined ? undefined : await askConnections(stateDir.portFiles(id).socket);
    return count === undefined ? [] : [[name, count]];
  };
  const ended = plan.filter(({ action }) => action === 'close' || action === 'replace');
  return new Map((await Promise.all(ended.map(ask))).flat());
};

const askConnections = async (socket: string): Promise<number | undefined> => {
  try {
    const proxy = await connectControl<ProxyProtocol>(socket, ANSWER_TIMEOUT_MS);
    try {
      const { connections } = await proxy.ask('report', null, ANSWER_TIMEOUT_MS);
      return connections.active;
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
        `Closes: ${portOf(step)}, which is ${step.reasons.join('; ')}${describeCount([step], counts)}`,
    ),
    ...grouped(of('replace')).map(
      ([reasons, steps]) => `Replaces: ${namesOf(steps)}: ${reasons}${describeCount(steps, counts)}`,
    ),
    ...grouped(of('trim')).map(
      ([reasons, steps]) => `Ends copies: ${namesOf(steps)}: ${reasons}; the one with the port goes on`,
    ),
    ...grouped(of('start')).map(
      ([reasons, steps]) => `Starts: ${namesOf(steps)}${reasons && `: ${reasons}`}`,
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

const namesOf = (steps: Plan): string => steps.map(({ name }) => name).join(', ');

const idOf = ({ name }: Step): string => proxyIdOf(name) ?? name;

/** "port 6274", "socket app.sock" */
const portOf = ({ name }: Step): string =>
  `${name.startsWith('unix-') ? 'socket' : 'port'} ${proxyIdOf(name) ?? name}`;

/** ", with 3 connections"; empty when none is known. */
const describeCount = (steps: Plan, counts: ConnectionCounts): string => {
  const count = steps.reduce((sum, { name }) => sum + (counts.get(name) ?? 0), 0);
  return count === 0 ? '' : `, with ${count} ${count === 1 ? 'connection' : 'connections'}`;
};
