import type { Message, Notification } from '../../../src/alerting/policy/notification.ts';

export const AT_MS = Date.UTC(2026, 10, 27, 4, 5, 6);

export const notification = (changes: Partial<Notification> = {}): Notification => ({
  kind: 'down',
  severity: 'critical',
  proxy: 'tcp-proxy-6274',
  label: 'MCP Inspector Web UI',
  host: 'devbox',
  cause: 'upstream_down',
  startedAt: AT_MS - 60_000,
  endedAt: null,
  summary: 'Proxy for port 6274 has no upstream: localhost:6274 does not answer.',
  reason: 'connection refused',
  actionTaken: 'Nothing: a restart would not help.',
  nextStep: 'Start the application.',
  ...changes,
});

export const message = (...notifications: readonly Notification[]): Message => ({
  id: 'm-1',
  createdAt: AT_MS,
  notifications,
});

/** Sixty ports at once, each with long texts made of characters that are escaped. */
export const flood = message(
  ...Array.from({ length: 60 }, (_, index) => {
    const long = '<@everyone> & *x* `y` 😀 '.repeat(400);
    return notification({
      proxy: `tcp-proxy-${20_000 + index}`,
      label: long,
      summary: long,
      reason: long,
      actionTaken: long,
      nextStep: long,
    });
  }),
);
