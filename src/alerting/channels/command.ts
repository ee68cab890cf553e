import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { setTimeout as sleep } from 'node:timers/promises';
import { programEnv } from '../../config/project/environment.ts';
import type { Delivery } from '../delivery.ts';
import { ATTEMPT_TIMEOUT_MS, attemptDelivery, failure } from '../delivery-attempt.ts';
import { cutQuote } from '../delivery-errors.ts';
import type { Message } from '../policy/notification.ts';
import type { EventSender } from './channel.ts';
import { escapeToFit, gravestSeverity, PLAIN, subjectOf } from './text.ts';
import { webhookBody } from './webhook.ts';

/** EX_DATAERR of sysexits(3): the program will never take this message. */
const EXIT_REFUSED = 65;
/** The part of stderr that is kept for its last line. */
const MAX_STDERR_CHARACTERS = 4_096;
/** The longest time that the rest of stderr may take to arrive after the program's end: a process it left may hold it open. */
const STDERR_GRACE_MS = 200;
/** Linux takes at most 128 kB for one variable (MAX_ARG_STRLEN in execve(2)); a name has at most 255 characters. */
const MAX = { summary: 1_000, proxies: 400 };

/** The variables with which a program needs not parse the JSON. */
const commandVariables = (message: Message): Readonly<Record<string, string>> => {
  const { status } = webhookBody(message, null);
  const proxies = [...new Set(message.notifications.map(({ proxy }) => proxy))];
  return {
    STEADYPORT_ALERT_ID: message.id,
    STEADYPORT_ALERT_STATUS: status,
    STEADYPORT_ALERT_HOST: message.notifications[0]?.host ?? '',
    STEADYPORT_ALERT_SEVERITY: gravestSeverity(message.notifications),
    STEADYPORT_ALERT_SUMMARY: escapeToFit(subjectOf(message), MAX.summary, PLAIN),
    STEADYPORT_ALERT_PROXIES: proxies.slice(0, MAX.proxies).join(' '),
  };
};

/**
 * Runs the program without a shell, in a process group of its own, with the JSON of the webhook on its stdin. Exit code 0
 * is a delivery and {@link EXIT_REFUSED} a refusal for good. All others are tried again, as an unknown HTTP status is: a
 * program that cannot reach the network must not lose alerts. Its group is killed at the time-out.
 */
export const runProgram = (
  path: string,
  { message, pageUrl, timeoutMs = ATTEMPT_TIMEOUT_MS }: ProgramInput,
  callerSignal: AbortSignal,
): Promise<Delivery> => {
  const attempt = async (signal: AbortSignal): Promise<Delivery> => {
    signal.throwIfAborted();
    const child = spawn(path, [], {
      cwd: '/',
      detached: true,
      env: { ...programEnv(), ...commandVariables(message) },
      stdio: ['pipe', 'ignore', 'pipe'],
    });
    let stderr = '';
    child.stderr.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-MAX_STDERR_CHARACTERS);
    });
    // A program need not read its stdin.
    child.stdin.on('error', () => {}).end(`${JSON.stringify(webhookBody(message, pageUrl))}\n`);
    const closed = once(child, 'close').catch(() => {});
    const kill = (): void => killGroup(child.pid);
    signal.addEventListener('abort', kill);
    try {
      const [code, killedBy] = (await once(child, 'exit', { signal })) as ProcessEnd;
      if (code === 0) return { ok: true };
      await Promise.race([closed, sleep(STDERR_GRACE_MS)]);
      const line = cutQuote(lastLineOf(stderr));
      const end = killedBy === null ? `exit code ${code}` : `killed by ${killedBy}`;
      return failure(line === '' ? end : `${end}: ${line}`, { isFinal: code === EXIT_REFUSED });
    } finally {
      signal.removeEventListener('abort', kill);
      // A process that it left behind may hold the other end open.
      child.stderr.destroy();
    }
  };
  return attemptDelivery(callerSignal, timeoutMs, attempt, (error) =>
    failure(describeStartError(error as NodeJS.ErrnoException)),
  );
};

/** The exit code and the signal that ended the process; one of them is null. */
type ProcessEnd = [code: number | null, killedBy: NodeJS.Signals | null];

interface ProgramInput {
  readonly message: Message;
  readonly pageUrl: string | null;
  /** Default {@link ATTEMPT_TIMEOUT_MS}. */
  readonly timeoutMs?: number;
}

const describeStartError = ({ code = '' }: NodeJS.ErrnoException): string =>
  `the program cannot be started: ${START_ERRORS[code] ?? code}`;

const START_ERRORS: Readonly<Record<string, string>> = {
  ENOENT: 'there is no such file, or its first line names none',
  EACCES: 'this user may not execute it',
};

const killGroup = (leaderPid: number | undefined): void => {
  if (leaderPid === undefined) return;
  try {
    process.kill(-leaderPid, 'SIGKILL');
  } catch {
    // It has just ended.
  }
};

const lastLineOf = (text: string): string => text.trimEnd().split('\n').at(-1) ?? '';

export const command: EventSender = {
  delivers: 'events',
  deliver: (message, { secret, pageUrl, signal }) =>
    runProgram(secret.reveal(), { message, pageUrl }, signal),
};
