import type { Message, Notice } from '../../src/alerting/policy/notification.ts';

export const AT_MS = Date.UTC(2026, 10, 27, 4, 5, 6);

export const notice = (over: Partial<Notice> = {}): Notice => ({
  kind: 'down',
  severity: 'critical',
  proxy: 'tcp-proxy-6274',
  label: 'MCP Inspector Web UI',
  cause: 'upstream_down',
  fromMs: AT_MS - 60_000,
  toMs: null,
  what: 'Proxy for port 6274 has no upstream: localhost:6274 does not answer.',
  why: 'connection refused',
  done: 'Nothing: a restart would not cure it.',
  todo: 'Start the application.',
  ...over,
});

export const message = (...notices: readonly Notice[]): Message => ({ id: 'm-1', atMs: AT_MS, notices });

/** Sixty ports at once, each with the longest of texts, made of what has to be escaped. */
export const flood = message(
  ...Array.from({ length: 60 }, (_, at) => {
    const long = '<@everyone> & *x* `y` 😀 '.repeat(400);
    return notice({
      proxy: `tcp-proxy-${20_000 + at}`,
      label: long,
      what: long,
      why: long,
      done: long,
      todo: long,
    });
  }),
);
