/**
 * The room monitor/probes/exchange: one connection of a probe, from the connect over TLS to the answer. text-search.ts
 * searches an answer, and trace.ts logs what is sent and received.
 */

import { connect, isIP, type Socket } from 'node:net';
import { checkServerIdentity, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { type Address, isUnixSocket, toNetOptions } from '../../../lib/address.ts';
import { printable } from '../../../lib/printable.ts';
import { createDebug } from '../../../system/debug.ts';
import { isOwnLimit } from '../../../system/own-limits.ts';

/**
 * The result of an exchange. An expected failure is a value; `error` names the problem and the address. `phase` is `connect`
 * where the upstream did not accept, and `answer` where it accepted and did not answer as it should. The TLS handshake
 * belongs to `answer`. `untried`: the connection could not even be tried, which proves nothing about the upstream.
 */
export type ProbeResult =
  | { readonly ok: true; readonly durationMs: number }
  | { readonly ok: false; readonly durationMs: number; readonly phase: Phase; readonly error: string };

type Phase = 'connect' | 'answer' | 'untried';

export interface ProbeTarget {
  readonly address: Address;
  /** The beginning of a failure's text, such as "127.0.0.1:6379:". */
  readonly name: string;
  /** The time for connecting, the TLS handshake and the exchange together. */
  readonly timeoutMs: number;
  /** Starts to connect to `address`. Default: from any local port. */
  readonly openSocket?: (() => Socket) | undefined;
  /** Default, and false: no TLS. */
  readonly tls?: TlsOptions | false;
}

interface TlsOptions {
  /** The server whose name TLS asks for, whether the probe goes through the proxy or directly. */
  readonly upstream: Address;
  /** False: any certificate will do (docs/decisions.md: ADR-0028). */
  readonly verify: boolean;
  /** The exchange in plain text before the handshake. Default: none. */
  readonly negotiate?: Exchange | undefined;
}

/**
 * Talks on an open connection and calls `settle`: with the problem, or without one when all is well. It returns a
 * function that names what the answer lacks so far, or undefined before there is an answer. That is the problem when
 * the time is up or the connection ends.
 */
export type Exchange = (socket: Socket, settle: (problem?: string) => void) => () => string | undefined;

/** A stage of the exchange: the errors that a time-out and the end of the connection mean there. */
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

const debug = createDebug('probe');

const MAX_ERROR_LENGTH = 1_000;

/** Connects, does the TLS handshake where there is TLS, and talks; all of it within `timeoutMs`. */
export const runExchange = async (target: ProbeTarget, exchange: Exchange): Promise<ProbeResult> => {
  debug('%s started', target.name);
  const result = await connectAndTalk(target, exchange);
  debug('%s %s after %d ms', target.name, result.ok ? 'ok' : result.error, result.durationMs);
  return result;
};

const connectAndTalk = (target: ProbeTarget, exchange: Exchange): Promise<ProbeResult> =>
  new Promise((resolve) => {
    const { address, timeoutMs, tls, openSocket = () => connect(toNetOptions(address)) } = target;
    const startedAt = performance.now();
    let stage = CONNECTING;
    const socket = openSocket();
    const fail = (problem: string, phase: Phase = stage.phase): void => {
      socket.destroy();
      const error = printable(`${target.name} ${problem}`, MAX_ERROR_LENGTH);
      resolve({ ok: false, durationMs: elapsed(startedAt), phase, error });
    };
    const timer = setTimeout(() => fail(`${stage.timeoutError()} within ${timeoutMs} ms`), timeoutMs);
    socket.on('close', () => clearTimeout(timer));
    const attachHandlers = <S extends Socket>(watchedSocket: S): S => {
      watchedSocket.on('error', (error: NodeJS.ErrnoException) =>
        fail(
          stage.closeError(error.code),
          stage === CONNECTING && isUntried(error.code) ? 'untried' : stage.phase,
        ),
      );
      watchedSocket.on('close', () => fail(stage.closeError(undefined)));
      return watchedSocket;
    };
    let activeSocket: Socket = attachHandlers(socket);
    const talk = (step: Exchange, onDone: () => void): void => {
      const describeMissing = step(activeSocket, (problem) =>
        problem === undefined ? onDone() : fail(problem),
      );
      stage = answering(describeMissing);
    };
    const startExchange = (): void =>
      talk(exchange, () => {
        resolve({ ok: true, durationMs: elapsed(startedAt) });
        // destroySoon sends TLS's close_notify, without which OpenSSL's servers log an error. The timer bounds it.
        activeSocket.destroySoon();
      });
    const startHandshake = (options: TlsOptions): void => {
      stage = HANDSHAKE;
      activeSocket = attachHandlers(startTls(socket, options)).on('secureConnect', startExchange);
    };
    socket.on('connect', () => {
      if (!tls) startExchange();
      else if (tls.negotiate) talk(tls.negotiate, () => startHandshake(tls));
      else startHandshake(tls);
    });
  });

/** The local port was not free after all, or this process or machine is at a limit of its own (connect(2)). */
const isUntried = (code: string | undefined): boolean =>
  code === 'EADDRINUSE' || code === 'EADDRNOTAVAIL' || isOwnLimit(code);

const startTls = (socket: Socket, { upstream, verify }: TlsOptions): TLSSocket => {
  const serverName = isUnixSocket(upstream) ? 'localhost' : upstream.host.replace(/%.*$|\.$/, '');
  return tlsConnect({
    socket,
    rejectUnauthorized: verify,
    checkServerIdentity: (_, certificate) => checkServerIdentity(serverName, certificate),
    // RFC 6066, 3: an IP address is no server name.
    ...(isIP(serverName) === 0 ? { servername: serverName } : {}),
  });
};

/** Whole milliseconds since `startedAt`, an instant of performance.now(). */
export const elapsed = (startedAt: number): number => Math.round(performance.now() - startedAt);
