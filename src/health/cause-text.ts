import type { Cause } from './types.ts';

/** A cause in words: as the log says it of a port, and as the status says what to do about it. */
interface CauseTexts {
  /** After "Proxy for port 6274 ". */
  readonly logText: (upstream: string) => string;
  /** What more the log says of a failure. */
  readonly note?: string;
  readonly advice: (context: AdviceContext) => string;
}

interface AdviceContext {
  readonly name: string;
  readonly upstream: string;
  /** "port 6274" or "the socket". */
  readonly place: string;
  /** What the failed check said, or how the process ended. */
  readonly detail: string | null;
  readonly portOwner: string | null;
}

const LOGS_COMMAND = 'pm2 logs';

const inParentheses = (detail: string | null): string => (detail === null ? '' : ` (${detail})`);

const CAUSE_TEXTS: Readonly<Record<Cause, CauseTexts>> = {
  crashed: {
    logText: () => 'is not running',
    advice: ({ name, detail }) =>
      `the process is gone${inParentheses(detail)}; PM2 and the monitor bring it back. Why it died: ${LOGS_COMMAND} ${name}`,
  },
  crash_loop: {
    logText: () => 'crashes again and again',
    advice: ({ name, detail }) =>
      `PM2 restarts it ever more slowly, at most every 15 s; a restart will not cure it. Why it dies${inParentheses(detail)}: ${LOGS_COMMAND} ${name}`,
  },
  stopped_by_signal: {
    logText: () => 'is not responding',
    note: 'the process is stopped (SIGSTOP, or a debugger)',
    advice: () => 'the process is stopped by a signal; it is restarted by force at the threshold',
  },
  blocked_in_kernel: {
    logText: () => 'is not responding',
    note: 'the process waits for the kernel (state D)',
    advice: () => 'no signal ends what it waits for, so it is not restarted: look at the disk and at dmesg',
  },
  hung: {
    logText: () => 'is not responding',
    advice: () => 'the process does not answer; it is restarted by force at the threshold',
  },
  data_path_stuck: {
    logText: () => 'is not moving any bytes',
    advice: () =>
      'the thread that moves the bytes does not answer; it is restarted by force at the threshold',
  },
  not_listening: {
    logText: () => 'is not listening',
    advice: ({ name }) => `no address could be bound; see: ${LOGS_COMMAND} ${name}`,
  },
  port_in_use: {
    logText: () => 'cannot listen: the port is in use',
    advice: ({ place, portOwner }) =>
      `${place} is taken as soon as it is free; stop its holder or listen elsewhere: ${portOwner ?? 'another process'}`,
  },
  not_accepting: {
    logText: () => 'is not accepting connections',
    advice: ({ detail }) =>
      `the proxy runs but does not accept (${detail ?? 'no answer'}); it is asked to listen anew, then restarted`,
  },
  open_files_limit: {
    logText: () => 'is running out of open files',
    advice: ({ detail }) =>
      `${detail ?? 'its open files are near their limit'}; raise the limit (ulimit -n), or lower "maxConnections"`,
  },
  memory_limit: {
    logText: () => 'uses too much memory',
    advice: ({ detail }) => `${detail ?? 'its memory is over its limit'}; see "limits" in the config`,
  },
  cpu_limit: {
    logText: () => 'uses too much CPU',
    advice: ({ detail }) => `${detail ?? 'its CPU is over its limit'}; see "limits" in the config`,
  },
  slow_responses: {
    logText: () => 'answers slowly',
    advice: ({ detail }) => `${detail ?? 'its answers take too long'}; see "limits" in the config`,
  },
  upstream_down: {
    logText: (upstream) => `has no upstream: ${upstream} does not answer`,
    advice: ({ detail, upstream }) =>
      `${detail ?? `${upstream} does not answer`}. The proxy is fine: start the application, or correct "upstream"`,
  },
  upstream_unhealthy: {
    logText: (upstream) =>
      `has an upstream that is not well: ${upstream} accepts, and does not answer as expected`,
    advice: ({ detail, upstream }) =>
      `${detail ?? `${upstream} does not answer`}. The proxy is fine: look at the application, or correct "probe"`,
  },
  forwarding_broken: {
    logText: (upstream) => `does not forward, though ${upstream} answers`,
    advice: ({ detail, upstream }) =>
      `${upstream} answers, but not through the proxy (${detail ?? 'no answer'}); it is restarted at the threshold`,
  },
};

/** "Proxy for port 6274 is not responding" */
export const describeCause = (
  cause: Cause,
  { place, upstream }: { place: string; upstream: string },
): string => `Proxy for ${place} ${CAUSE_TEXTS[cause].logText(upstream)}`;

/** "Proxy for port 6274 is not responding (failure #1)" */
export const describeFailure = (
  cause: Cause,
  subject: { place: string; upstream: string },
  failureNumber: number,
): string => {
  const { note } = CAUSE_TEXTS[cause];
  return `${describeCause(cause, subject)} (failure #${failureNumber})${note ? `: ${note}` : ''}`;
};

/** What to do next. */
export const adviceFor = (cause: Cause, context: AdviceContext): string => CAUSE_TEXTS[cause].advice(context);
