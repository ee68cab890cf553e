import { connect, isIP, type Socket } from 'node:net';
import { checkServerIdentity, type TLSSocket, connect as tlsConnect } from 'node:tls';
import { type Address, endpoint, isUnix } from '../../lib/address.ts';

/**
 * An expected failure is a value; `error` names what went wrong and where. `phase`: the other end did not accept
 * (`connect`), or it did and did not answer as it should (`answer`; the handshake of TLS belongs to it).
 */
export type ProbeResult =
  | { readonly ok: true; readonly durationMs: number }
  | { readonly ok: false; readonly durationMs: number; readonly phase: Phase; readonly error: string };

type Phase = 'connect' | 'answer';

export interface Dial {
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
export type Talk = (socket: Socket, settle: (wrong?: string) => void) => () => string | undefined;

/** What the time-out, and the end of the connection, mean at this point. */
interface Stage {
  readonly phase: Phase;
  late(): string;
  ended(code: string | undefined): string;
}
const CONNECTING: Stage = {
  phase: 'connect',
  late: () => 'did not accept',
  ended: (code) => `refused${brackets(code)}`,
};
const HANDSHAKE: Stage = {
  phase: 'answer',
  late: () => 'no answer to the TLS handshake',
  ended: (code) => `TLS failed${brackets(code)}`,
};
const talking = (lacking: () => string | undefined): Stage => ({
  phase: 'answer',
  late: () => lacking() ?? 'no answer',
  ended: (code) => `${lacking() ?? 'closed without an answer'}${brackets(code)}`,
});
const brackets = (code: string | undefined): string => (code === undefined ? '' : ` (${code})`);

/** Connects, shakes hands where there is TLS, and talks; the whole of it within `timeoutMs`. */
export const converse = (dial: Dial, talk: Talk): Promise<ProbeResult> =>
  new Promise((done) => {
    const { address, timeoutMs, localPort, tls } = dial;
    const startedAt = performance.now();
    let stage = CONNECTING;
    const socket = connect({ ...endpoint(address), ...(localPort === undefined ? {} : { localPort }) });
    const fail = (wrong: string): void => {
      socket.destroy();
      const { phase } = stage;
      done({ ok: false, durationMs: elapsed(startedAt), phase, error: `${dial.name} ${wrong}` });
    };
    const timer = setTimeout(() => fail(`${stage.late()} within ${timeoutMs} ms`), timeoutMs);
    socket.on('close', () => clearTimeout(timer));
    const watch = <S extends Socket>(one: S): S => {
      one.on('error', (error: NodeJS.ErrnoException) => fail(stage.ended(error.code)));
      one.on('close', () => fail(stage.ended(undefined)));
      return one;
    };
    const begin = (): void => {
      const lacking = talk(open, (wrong) => {
        if (wrong !== undefined) return fail(wrong);
        done({ ok: true, durationMs: elapsed(startedAt) });
        // TLS says goodbye, without which OpenSSL's servers log an error; the timer bounds it.
        open.destroySoon();
      });
      stage = talking(lacking);
    };
    let open: Socket = watch(socket);
    socket.on('connect', () => {
      if (!tls) return begin();
      stage = HANDSHAKE;
      open = watch(handshake(socket, tls)).on('secureConnect', begin);
    });
  });

/** Not verified, any certificate will do (docs/decisions.md: probes and certificates). */
const handshake = (
  socket: Socket,
  { upstream, verify }: Exclude<Dial['tls'], false | undefined>,
): TLSSocket => {
  const name = isUnix(upstream) ? 'localhost' : upstream.host.replace(/%.*$|\.$/, '');
  return tlsConnect({
    socket,
    rejectUnauthorized: verify,
    checkServerIdentity: (_, certificate) => checkServerIdentity(name, certificate),
    // RFC 6066, 3: an IP address is no server name.
    ...(isIP(name) === 0 ? { servername: name } : {}),
  });
};

export const elapsed = (startedAt: number): number => Math.round(performance.now() - startedAt);
