import type { Cause } from './types.ts';

/** A cause in words: as the log says it of a port, and as the status says what to do about it. */
interface Words {
  /** After "Proxy for port 6274 ". */
  readonly log: (upstream: string) => string;
  /** What more the log says of a failure. */
  readonly note?: string;
  readonly next: (about: About) => string;
}

interface About {
  readonly name: string;
  readonly upstream: string;
  /** "port 6274" or "the socket". */
  readonly place: string;
  /** What the failed check said, or how the process ended. */
  readonly detail: string | null;
  readonly holder: string | null;
}

const LOGS = 'pm2 logs';

const inBrackets = (detail: string | null): string => (detail === null ? '' : ` (${detail})`);

const WORDS: Readonly<Record<Cause, Words>> = {
  crashed: {
    log: () => 'is not running',
    next: ({ name, detail }) =>
      `the process is gone${inBrackets(detail)}; PM2 and the monitor bring it back. Why it died: ${LOGS} ${name}`,
  },
  crash_loop: {
    log: () => 'crashes again and again',
    next: ({ name, detail }) =>
      `PM2 restarts it ever more slowly, at most every 15 s; a restart will not cure it. Why it dies${inBrackets(detail)}: ${LOGS} ${name}`,
  },
  stopped_by_signal: {
    log: () => 'is not responding',
    note: 'the process is stopped (SIGSTOP, or a debugger)',
    next: () => 'the process is stopped by a signal; it is restarted by force at the threshold',
  },
  blocked_in_kernel: {
    log: () => 'is not responding',
    note: 'the process waits for the kernel (state D)',
    next: () => 'no signal ends what it waits for, so it is not restarted: look at the disk and at dmesg',
  },
  hung: {
    log: () => 'is not responding',
    next: () => 'the process does not answer; it is restarted by force at the threshold',
  },
  data_path_stuck: {
    log: () => 'is not moving any bytes',
    next: () => 'the thread that moves the bytes does not answer; it is restarted by force at the threshold',
  },
  not_listening: {
    log: () => 'is not listening',
    next: ({ name }) => `no address could be bound; see: ${LOGS} ${name}`,
  },
  port_in_use: {
    log: () => 'cannot listen: the port is in use',
    next: ({ place, holder }) =>
      `${place} is taken as soon as it is free; stop its holder or listen elsewhere: ${holder ?? 'another process'}`,
  },
  not_accepting: {
    log: () => 'is not accepting connections',
    next: ({ detail }) =>
      `the proxy runs but does not accept (${detail ?? 'no answer'}); it is asked to listen anew, then restarted`,
  },
  open_files_limit: {
    log: () => 'is running out of open files',
    next: ({ detail }) =>
      `${detail ?? 'its open files are near their limit'}; raise the limit (ulimit -n), or lower "maxConnections"`,
  },
  memory_limit: {
    log: () => 'uses too much memory',
    next: ({ detail }) => `${detail ?? 'its memory is over its limit'}; see "limits" in the config`,
  },
  cpu_limit: {
    log: () => 'uses too much CPU',
    next: ({ detail }) => `${detail ?? 'its CPU is over its limit'}; see "limits" in the config`,
  },
  slow_responses: {
    log: () => 'answers slowly',
    next: ({ detail }) => `${detail ?? 'its answers take too long'}; see "limits" in the config`,
  },
  upstream_down: {
    log: (upstream) => `has no upstream: ${upstream} does not answer`,
    next: ({ detail, upstream }) =>
      `${detail ?? `${upstream} does not answer`}. The proxy is fine: start the application, or correct "upstream"`,
  },
  upstream_unhealthy: {
    log: (upstream) =>
      `has an upstream that is not well: ${upstream} accepts, and does not answer as expected`,
    next: ({ detail, upstream }) =>
      `${detail ?? `${upstream} does not answer`}. The proxy is fine: look at the application, or correct "probe"`,
  },
  forwarding_broken: {
    log: (upstream) => `does not forward, though ${upstream} answers`,
    next: ({ detail, upstream }) =>
      `${upstream} answers, but not through the proxy (${detail ?? 'no answer'}); it is restarted at the threshold`,
  },
};

/** "Proxy for port 6274 is not responding" */
export const describeCause = (
  cause: Cause,
  { place, upstream }: { place: string; upstream: string },
): string => `Proxy for ${place} ${WORDS[cause].log(upstream)}`;

/** "Proxy for port 6274 is not responding (failure #1)" */
export const describeFailure = (
  cause: Cause,
  about: { place: string; upstream: string },
  failure: number,
): string => {
  const { note } = WORDS[cause];
  return `${describeCause(cause, about)} (failure #${failure})${note ? `: ${note}` : ''}`;
};

/** What to do next. */
export const adviceOn = (cause: Cause, about: About): string => WORDS[cause].next(about);
