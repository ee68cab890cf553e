import { connect, isIP, type Socket } from 'node:net';
import { checkServerIdentity, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { type Address, isUnixSocket, toNetOptions } from '../../lib/address.ts';

/**
 * An expected failure is a value; `error` names what went wrong and where. `phase`: the other end did not accept
 * (`connect`), or it did and did not answer as it should (`answer`; the handshake of TLS belongs to it).
 */
export type ProbeResult =
  | { readonly ok: true; readonly durationMs: number }
  | { readonly ok: false; readonly durationMs: number; readonly phase: Phase; readonly error: string };

type Phase = 'connect' | 'answer';

export interface ProbeTarget {
  readonly address: Address;
  /** How a failure begins, such as "127.0.0.1:6379:". */
  readonly name: string;
  readonly timeoutMs: number;
  readonly localPort?: number | undefined;
  /** Who answers, whichever way it goes: its name is the one that TLS asks for. False: no TLS. */
  readonly tls?: { readonly upstream: Address; readonly verify: boolean } | false;
}

/**
 * Asks on an open connection and settles, with what is wrong or without. It returns what the answer lacks so far,
 * undefined while there is none: that is the verdict when the time is up or the connection ends.
 */
export type Exchange = (socket: Socket, settle: (problem?: string) => void) => () => string | undefined;

/** What the time-out, and the end of the connection, mean at this point. */
interface Stage {
  readonly phase: Phase;
  timeoutError(): string;
  closeError(code: string | undefined): string;
}
const CONNECTING: Stage = {
  phase: 'connect',
  timeoutError: () => 'did not accept',
  closeError: (code) => `refused${formatCode(code)}`,
};
const HANDSHAKE: Stage = {
  phase: 'answer',
  timeoutError: () => 'no answer to the TLS handshake',
  closeError: (code) => `TLS failed${formatCode(code)}`,
};
const answering = (describeMissing: () => string | undefined): Stage => ({
  phase: 'answer',
  timeoutError: () => describeMissing() ?? 'no answer',
  closeError: (code) => `${describeMissing() ?? 'closed without an answer'}${formatCode(code)}`,
});
const formatCode = (code: string | undefined): string => (code === undefined ? '' : ` (${code})`);

/** Connects, shakes hands where there is TLS, and talks; the whole of it within `timeoutMs`. */
export const runExchange = (target: ProbeTarget, exchange: Exchange): Promise<ProbeResult> =>
  new Promise((resolve) => {
    const { address, timeoutMs, localPort, tls } = target;
    const startedAt = performance.now();
    let stage = CONNECTING;
    const socket = connect({ ...toNetOptions(address), ...(localPort === undefined ? {} : { localPort }) });
    const fail = (problem: string): void => {
      socket.destroy();
      const { phase } = stage;
      resolve({ ok: false, durationMs: elapsed(startedAt), phase, error: `${target.name} ${problem}` });
    };
    const timer = setTimeout(() => fail(`${stage.timeoutError()} within ${timeoutMs} ms`), timeoutMs);
    socket.on('close', () => clearTimeout(timer));
    const attachHandlers = <S extends Socket>(watchedSocket: S): S => {
      watchedSocket.on('error', (error: NodeJS.ErrnoException) => fail(stage.closeError(error.code)));
      watchedSocket.on('close', () => fail(stage.closeError(undefined)));
      return watchedSocket;
    };
    const startExchange = (): void => {
      const describeMissing = exchange(activeSocket, (problem) => {
        if (problem !== undefined) return fail(problem);
        resolve({ ok: true, durationMs: elapsed(startedAt) });
        // TLS says goodbye, without which OpenSSL's servers log an error; the timer bounds it.
        activeSocket.destroySoon();
      });
      stage = answering(describeMissing);
    };
    let activeSocket: Socket = attachHandlers(socket);
    socket.on('connect', () => {
      if (!tls) return startExchange();
      stage = HANDSHAKE;
      activeSocket = attachHandlers(startTls(socket, tls)).on('secureConnect', startExchange);
    });
  });

/** Not verified, any certificate will do (docs/decisions.md: probes and certificates). */
const startTls = (
  socket: Socket,
  { upstream, verify }: Exclude<ProbeTarget['tls'], false | undefined>,
): TLSSocket => {
  const serverName = isUnixSocket(upstream) ? 'localhost' : upstream.host.replace(/%.*$|\.$/, '');
  return tlsConnect({
    socket,
    rejectUnauthorized: verify,
    checkServerIdentity: (_, certificate) => checkServerIdentity(serverName, certificate),
    // RFC 6066, 3: an IP address is no server name.
    ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
  });
};

export const elapsed = (startedAt: number): number => Math.round(performance.now() - startedAt);
