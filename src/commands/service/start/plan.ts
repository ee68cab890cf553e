/**
 * The folder start: what `steadyport start` does. plan.ts compares the config's apps with PM2's list, difference.ts compares one
 * app, announce.ts says the plan, and execute.ts carries it out.
 */

import type { AppDefinition } from '../../../pm2/apps.ts';
import { countInstances, type Pm2App } from '../../../pm2/client.ts';
import { differencesOf, type FindProgram } from './difference.ts';

/**
 * What is done with an app. `keep`: it is as configured. `start`: nothing of it runs. `replace`: what runs differs. `trim`: its
 * copies are ended, and it goes on. `close`: it is not in the config. `leave`: an operator stopped it. `pass`: it is not named
 * in the command, and differs.
 */
export type Action = 'keep' | 'start' | 'replace' | 'trim' | 'close' | 'leave' | 'pass';

export interface Step {
  readonly name: string;
  readonly action: Action;
  /** Why, each for use after a colon; empty where there is nothing to explain. */
  readonly reasons: readonly string[];
  /** The app in PM2's list, which is deleted before a start; missing when PM2 does not have it. */
  readonly listed?: Pm2App;
}

/** The steps for the apps of the config in its order, and then those for what is not in it. */
export type Plan = readonly Step[];

export interface PlanInput {
  readonly apps: readonly AppDefinition[];
  /** The apps that the config disables. */
  readonly disabled: readonly string[];
  /** The apps of this project in PM2's list. */
  readonly listed: ReadonlyMap<string, Pm2App>;
  readonly monitorApp: string;
  /** The apps that the monitor has seen crash of late. */
  readonly crashed: readonly string[];
  /**
   * The apps that the command names: they are started although they were stopped, and no other is touched but the monitor. Null:
   * it names none, and is about all.
   */
  readonly named: readonly string[] | null;
  readonly findProgram: FindProgram;
}

export const planStart = (input: PlanInput): Plan => {
  const { apps, disabled, listed, monitorApp } = input;
  const steps = apps.map((app) => stepOf(app, input));
  const closing = [...listed]
    .filter(([name]) => !apps.some((app) => app.name === name))
    .map(([name, app]) => ({
      name,
      action: 'close' as const,
      reasons: [
        `${disabled.includes(name) ? 'disabled' : 'no longer'} in the config${isStopped(app) ? ', and was stopped' : ''}`,
      ],
      listed: app,
    }));
  return [...withFreshMonitor(steps, input), ...closing].map((step) =>
    input.named === null || input.named.includes(step.name) || step.name === monitorApp || isIdle(step)
      ? step
      : { ...step, action: 'pass' as const },
  );
};

const stepOf = (app: AppDefinition, { listed, monitorApp, named, findProgram }: PlanInput): Step => {
  const { name } = app;
  const isMonitor = name === monitorApp;
  const current = listed.get(name);
  if (current === undefined) return { name, action: 'start', reasons: [] };
  const step = { name, listed: current };
  if (isStopped(current)) {
    if (isMonitor) return { ...step, action: 'start', reasons: ['was stopped, and nothing was supervised'] };
    if (named?.includes(name)) return { ...step, action: 'start', reasons: ['was stopped'] };
    return { ...step, action: 'leave', reasons: [] };
  }
  const reasons = [...lifeProblems(current), ...differencesOf(app, current, isMonitor, findProgram)];
  if (reasons.length > 0) return { ...step, action: 'replace', reasons };
  const count = countInstances(current);
  return count > 1
    ? { ...step, action: 'trim', reasons: [`${count} copies`] }
    : { ...step, action: 'keep', reasons: [] };
};

/** PM2 has it as `stopping` for a moment, for which the command waits, and longer for one that hangs. */
const isStopped = ({ status }: Pm2App): boolean => status === 'stopped' || status === 'stopping';

/** Why PM2 does not run it, or not for long. */
const lifeProblems = ({ status, statusText }: Pm2App): readonly string[] => {
  switch (status) {
    case 'online':
    case 'launching':
      return [];
    case 'start_failed':
      return ['PM2 could not start a process'];
    case 'waiting_restart':
      return ['crashed, and PM2 waits before it starts it again'];
    case 'gave_up':
      return ['PM2 has given it up'];
    default:
      return [`PM2 has it as "${statusText}"`];
  }
};

/**
 * Replaces the monitor together with a proxy that has crashed of late: the monitor remembers the crashes of each, which would
 * count against the new process.
 */
const withFreshMonitor = (steps: Plan, { monitorApp, crashed, named }: PlanInput): Plan => {
  const isRenewed = ({ name, action }: Step): boolean =>
    (named === null || named.includes(name)) &&
    (action === 'start' || action === 'replace') &&
    crashed.includes(name);
  const renewed = steps.filter(isRenewed).map(({ name }) => name);
  if (renewed.length === 0) return steps;
  const reasons = [`remembers crashes of ${renewed.join(', ')}`];
  return steps.map((step) =>
    step.name === monitorApp && (step.action === 'keep' || step.action === 'trim')
      ? { ...step, action: 'replace', reasons }
      : step,
  );
};

const isIdle = ({ action }: Step): boolean => action === 'keep' || action === 'leave';

/** True when nothing is to be done. */
export const isDone = (plan: Plan): boolean => plan.every((step) => isIdle(step) || step.action === 'pass');

/** The apps that run when the plan is carried out, as far as it is about them. */
export const runningApps = (plan: Plan): readonly string[] =>
  plan.filter(({ action }) => !['close', 'leave', 'pass'].includes(action)).map(({ name }) => name);
