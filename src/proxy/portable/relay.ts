import type { Socket } from 'node:net';
import type { CloseReason } from '../../lib/close-reason.ts';
import type { Policy } from '../engine.ts';
import { wasReset } from './reset.ts';

type EndConnection = (reason: CloseReason, code?: string | null, source?: Socket) => void;

/**
 * Passes both directions on with `pipe`, which applies the back-pressure. A FIN is passed on after the data.
 * @param end called when one side was reset, or nothing was sent for the idle or the half-close time-out
 */
export const relay = (client: Socket, upstream: Socket, policy: Policy, end: EndConnection): void => {
  let isHalfClosed = false;
  for (const [source, sink, reason] of [
    [client, upstream, 'client_reset'],
    [upstream, client, 'upstream_reset'],
  ] as const) {
    source.once('end', () => {
      if (wasReset(source)) return end(reason, 'ECONNRESET', source);
      isHalfClosed = true;
      client.setTimeout(policy.halfCloseTimeoutMs);
      sink.end();
    });
    source.pipe(sink, { end: false });
  }
  // One timer covers both directions: data from the client and data to the client restart it.
  client.setTimeout(policy.idleTimeoutMs);
  client.on('timeout', () => end(isHalfClosed ? 'half_close_timeout' : 'idle_timeout'));
};
