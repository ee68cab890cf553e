/**
 * Every reason for the end of a connection, with its text for people and the two letters that HAProxy logs for it
 * (https://docs.haproxy.org/2.6/configuration.html#8.5).
 */
export const CLOSE_REASONS = {
  done: { haproxy: '--', text: 'done' },
  client_reset: { haproxy: 'CD', text: 'the client reset the connection' },
  client_gone: { haproxy: 'CC', text: 'the client left before the upstream answered' },
  upstream_reset: { haproxy: 'SD', text: 'the upstream reset the connection' },
  upstream_refused: { haproxy: 'SC', text: 'the upstream refused the connection' },
  upstream_unreachable: { haproxy: 'SC', text: 'the upstream cannot be reached' },
  upstream_not_found: { haproxy: 'SC', text: "the upstream's name cannot be resolved" },
  upstream_timeout: { haproxy: 'sC', text: 'the upstream did not accept the connection in time' },
  io_error: { haproxy: 'RD', text: 'the system could not move the bytes' },
  loop: { haproxy: 'PC', text: "every address of the upstream is this proxy's own listener" },
  idle_timeout: { haproxy: 'cD', text: 'nothing was sent for the idle time-out' },
  half_close_timeout: {
    haproxy: 'cD',
    text: 'one side had closed and the other sent nothing for the half-close time-out',
  },
  not_allowed: { haproxy: 'PR', text: 'the allow list does not have the client' },
  too_many: { haproxy: 'PR', text: 'the connection limit was reached' },
  drained: { haproxy: 'KD', text: 'cut at the end of the drain time' },
} as const;

export type CloseReason = keyof typeof CLOSE_REASONS;

const REFUSALS: readonly string[] = ['not_allowed', 'too_many', 'loop'] satisfies readonly CloseReason[];

/** True when the proxy itself refused the client, whatever the upstream would have answered. */
export const isRefusal = (reason: string): boolean => REFUSALS.includes(reason);

/** The setting that lets a client in which the allow list has refused. @param allow the list as it is */
export const allowHint = (allow: readonly string[], clientHost: string): string =>
  `to let it in: "allow": ${JSON.stringify([...allow, clientHost])}`;

/** The reason for a failed connect to the upstream, by the error code of the system. */
export const connectErrorReason = (errorCode: string): CloseReason => {
  switch (errorCode) {
    case 'ECONNREFUSED':
    case 'ENOENT':
    case 'EAGAIN':
      return 'upstream_refused';
    case 'ECONNRESET':
    case 'EPIPE':
      return 'upstream_reset';
    case 'ETIMEDOUT':
      return 'upstream_timeout';
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
    case 'EAI_FAIL':
      return 'upstream_not_found';
    case 'ELOOP':
      return 'loop';
    default:
      return 'upstream_unreachable';
  }
};

/**
 * The errors of an open connection that mean that its peer is gone: a reset (EPIPE when one writes after it), a time-out of
 * keep-alive or of retransmission, and what ICMP reports meanwhile (tcp(7), ip(7)). Any other is of this host's own.
 */
const PEER_ERRORS: readonly string[] = [
  'ECONNRESET',
  'EPIPE',
  'ECONNABORTED',
  'ENOTCONN',
  'ETIMEDOUT',
  'EHOSTUNREACH',
  'EHOSTDOWN',
  'ENETUNREACH',
  'ENETDOWN',
  'ENETRESET',
  'ECONNREFUSED',
  'EPROTO',
];

/** @param errorCode the system's error code */
export const isPeerError = (errorCode: string): boolean => PEER_ERRORS.includes(errorCode);
