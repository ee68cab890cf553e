import { existsSync } from 'node:fs';
import { request } from 'node:http';
import { connect, type Socket } from 'node:net';
import {
  type Address,
  endpoint,
  formatAddress,
  ipFamily,
  isCovered,
  isLoopback,
  isUnix,
  literalHosts,
} from '../core/address.ts';
import type { Probe } from '../core/config-schema.ts';
import { localAddresses } from '../host/procfs.ts';
import { resolve } from '../host/resolve.ts';
import { listenersOn } from '../host/socket-table.ts';

/** An expected failure is a value; `error` names what went wrong and where. */
export type ProbeResult =
  | { readonly ok: true; readonly durationMs: number }
  | { readonly ok: false; readonly durationMs: number; readonly error: string };

/**
 * A port for a check to announce and to connect from: outside the range that Linux hands out by itself (ip(7): 32768
 * to 60999). It may be taken; the check then says so.
 */
export const checkPort = (): number => 20_000 + Math.floor(Math.random() * 12_000);

/** Connects, and waits until the other end closes: only a process that accepts does that. */
export const probeAccept = (address: Address, localPort: number, timeoutMs: number): Promise<ProbeResult> =>
  timed((settle) => {
    const socket = connect({ ...address, localPort });
    const timer = setTimeout(() => fail(`accepted nothing within ${timeoutMs} ms`), timeoutMs);
    const fail = (why: string): void => {
      clearTimeout(timer);
      discard(socket);
      settle(`${formatAddress(address)} ${why}`);
    };
    socket.on('error', (error) => fail(error.message));
    socket.on('end', () => {
      clearTimeout(timer);
      socket.resetAndDestroy();
      settle();
    });
    socket.resume();
  });

/** resetAndDestroy() on a socket that is not connected yet would wait until it is; a unix socket has none. */
const discard = (socket: Socket): void => {
  if (socket.connecting || socket.localAddress === undefined) socket.destroy();
  else socket.resetAndDestroy();
};

/** Connects and resets: no byte is sent. */
const probeTcp = (address: Address, timeoutMs: number): Promise<ProbeResult> =>
  timed((settle) => {
    const socket = connect(endpoint(address));
    const end = (why?: string): void => {
      clearTimeout(timer);
      discard(socket);
      settle(why && `${formatAddress(address)} ${why}`);
    };
    const timer = setTimeout(() => end(`did not accept within ${timeoutMs} ms`), timeoutMs);
    socket.on('error', (error: NodeJS.ErrnoException) => end(`refused (${error.code})`));
    socket.on('connect', () => end());
  });

/**
 * One GET, with `upstream` as its Host whichever way it goes. The request is not followed by a FIN: the
 * MCP Inspector 1.x answers nothing to a client that half-closes (docs/decisions.md: the MCP Inspector).
 */
export const probeHttp = (
  address: Address,
  upstream: Address,
  probe: Extract<Probe, { type: 'http' }>,
  timeoutMs: number,
  localPort?: number,
): Promise<ProbeResult> =>
  timed((settle) => {
    const where = `GET ${probe.path} at ${formatAddress(address)}`;
    const call = request({
      ...(isUnix(address) ? { socketPath: address.host } : endpoint(address)),
      path: probe.path,
      agent: false,
      headers: {
        host: isUnix(upstream) ? 'localhost' : formatAddress(upstream),
        'user-agent': 'steadyport-probe',
        connection: 'close',
      },
      ...(localPort === undefined ? {} : { localPort }),
    });
    const timer = setTimeout(() => call.destroy(new Error(`no answer within ${timeoutMs} ms`)), timeoutMs);
    call.on('close', () => {
      clearTimeout(timer);
      settle(`${where}: closed without an answer`);
    });
    call.on('error', (error) => settle(`${where}: ${error.message}`));
    call.on('response', (response) => {
      const verdict = (body: string | undefined): void => {
        const wrong = mismatch(probe, response.statusCode ?? 0, body);
        settle(wrong && `${where}: ${wrong}`);
        call.destroy();
      };
      // Without a body to look for the headers decide: a stream of events has no end.
      if (probe.body === undefined) return verdict(undefined);
      let body = '';
      response.on('error', (error) => settle(`${where}: ${error.message}`));
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
        if (body.includes(probe.body ?? '') || body.length > MOST_BODY_CHARACTERS) verdict(body);
      });
      response.on('end', () => verdict(body));
    });
    call.end();
  });

/** `body` is looked for in so much of the answer. */
const MOST_BODY_CHARACTERS = 1_000_000;

const mismatch = (
  probe: Extract<Probe, { type: 'http' }>,
  status: number,
  body: string | undefined,
): string | undefined => {
  const expected = probe.status ?? '200 to 399';
  const fits = probe.status === undefined ? status >= 200 && status < 400 : status === probe.status;
  if (!fits) return `status ${status}, expected ${expected}`;
  if (probe.body !== undefined && !body?.includes(probe.body))
    return `the body has no ${JSON.stringify(probe.body)}`;
  return undefined;
};

/**
 * The upstream itself, without the proxy: any of its addresses that is not one of the proxy's own listeners.
 * @param bound the proxy's own listeners; a check of them would ask the proxy about itself
 */
export const probeUpstream = async (
  upstream: Address,
  probe: Probe,
  bound: readonly Address[],
  timeoutMs: number,
): Promise<ProbeResult> => {
  const startedAt = performance.now();
  const resolved = await resolve(upstream);
  const addresses = resolved.ok
    ? resolved.addresses.filter((address) => !isCovered(bound, address, localAddresses()))
    : [];
  let error = resolved.ok
    ? `every address of ${upstream.host} is the proxy itself`
    : `the name ${upstream.host} cannot be resolved (${resolved.code})`;
  for (const address of addresses) {
    const result =
      probe.type === 'http'
        ? await probeHttp(address, upstream, probe, timeoutMs)
        : await probeTcp(address, timeoutMs);
    if (result.ok) return result;
    error = result.error;
  }
  return { ok: false, error, durationMs: elapsed(startedAt) };
};

/** The check's own port was not free after all: that says nothing of the proxy. */
export const isPortTaken = (error: string): boolean => /EADDRINUSE|EADDRNOTAVAIL/.test(error);

/** Where to connect for a bound address: a wildcard stands for what is reachable from elsewhere, if anything is. */
export const reachable = ({ host, port }: Address): Address => {
  if (host !== '0.0.0.0' && host !== '::') return { host, port };
  const outside = localAddresses().find((local) => !isLoopback(local) && ipFamily(local) === ipFamily(host));
  return { host: outside ?? (host === '::' ? '::1' : '127.0.0.1'), port };
};

/** Proxies that are looked at together share one reading of the table. */
export const SHARED_TABLE_MS = 100;

/**
 * Whether something other than the proxy listens on the upstream's port, without touching it. Undefined when
 * the upstream is not on this host's loopback, or where there is no /proc. A socket file that is there tells
 * nothing: its owner may be dead.
 */
export const upstreamListens = (upstream: Address, bound: readonly Address[]): boolean | undefined => {
  if (isUnix(upstream)) return existsSync(upstream.host) ? undefined : false;
  if (!isLoopback(upstream.host)) return undefined;
  const wanted = literalHosts(upstream.host).map((host) => ({ host, port: upstream.port }));
  return listenersOn(upstream.port, performance.now() - SHARED_TABLE_MS)?.some(
    (listener) =>
      !bound.some((own) => own.host === listener.host && own.port === listener.port) &&
      wanted.some((address) => isCovered([listener], address, []) || listener.host === '::'),
  );
};

const elapsed = (startedAt: number): number => Math.round(performance.now() - startedAt);

const timed = (probe: (settle: (error?: string) => void) => void): Promise<ProbeResult> => {
  const startedAt = performance.now();
  return new Promise((done) =>
    probe((error) =>
      done(
        error === undefined
          ? { ok: true, durationMs: elapsed(startedAt) }
          : { ok: false, durationMs: elapsed(startedAt), error },
      ),
    ),
  );
};
