import assert from 'node:assert/strict';
import { createHook } from 'node:async_hooks';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer as createHttpsServer } from 'node:https';
import type { AddressInfo, Server, Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { text } from 'node:stream/consumers';
import { before, describe, type TestContext, test } from 'node:test';
import { setImmediate } from 'node:timers/promises';
import { createServer, type TLSSocket, type TlsOptions } from 'node:tls';
import { type Address, isUnixSocket, toNetOptions } from '../../../../src/lib/address.ts';
import { runProbe } from '../../../../src/monitor/probes/run-probe.ts';
import { type Certificate, makeCertificate } from '../../../support/programs/certificate.ts';
import { serve } from '../../../support/proxy/proxy-harness.ts';
import { needs, needsProgram } from '../../../support/requirements.ts';
import { tempFolder } from '../../../support/temp-dir.ts';

const LIMIT_MS = 10_000;
const SHORT_MS = 200;
const PING = { type: 'expect', send: 'PING\r\n', expect: '+PONG', tls: true } as const;
const GET = { type: 'http', path: '/', tls: true } as const;
type Asked = Parameters<typeof runProbe>[2];

describe('over TLS', { skip: needs(needsProgram('openssl', 'openssl')) }, () => {
  const folder = tempFolder();
  let certificate: Certificate;
  before(() => {
    certificate = makeCertificate(folder);
  });

  const listen = async <S extends Server>(
    t: TestContext,
    server: S,
    at: Address = { host: '127.0.0.1', port: 0 },
  ): Promise<Address> => {
    const sockets = new Set<Socket>();
    server.on('connection', (socket) => sockets.add(socket)).on('tlsClientError', () => {});
    server.listen(toNetOptions(at));
    await once(server, 'listening');
    t.after(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    return isUnixSocket(at) ? at : { host: at.host, port: (server.address() as AddressInfo).port };
  };

  /** Answers PING over TLS. */
  const serveTls = (
    t: TestContext,
    options: TlsOptions = {},
    take: (socket: TLSSocket) => void = () => {},
    at?: Address,
  ): Promise<Address> => {
    const server = createServer({ ...certificate, ...options }, (socket) => {
      socket.on('error', () => {}).on('data', () => socket.write('+PONG\r\n'));
      take(socket);
    });
    return listen(t, server, at);
  };

  /** "ok", or the phase and what is wrong, without where. */
  const ask = async (
    at: Address,
    probe: Asked,
    upstream = at,
    timeoutMs: number = LIMIT_MS,
  ): Promise<string> => {
    const result = await runProbe(at, upstream, probe, timeoutMs);
    return result.ok ? 'ok' : `${result.phase}: ${result.error.replace(/^.*?: /, '')}`;
  };

  test('an application with a certificate of its own answers, by both probes and on a unix socket', async (t) => {
    const at = await serveTls(t);
    assert.equal(await ask(at, PING), 'ok');
    assert.match(await ask(at, { ...PING, expect: 'x' }, at, SHORT_MS), /^answer: the answer .* has no "x"/);
    const file = await serveTls(t, {}, () => {}, { host: join(folder, 'app.sock'), port: 0 });
    assert.equal(await ask(file, PING), 'ok');
    const page = createHttpsServer({ ...certificate }, (_, response) => response.end('<title>app</title>'));
    const web = await listen(t, page);
    assert.equal(await ask(web, { ...GET, body: '<title>app' }), 'ok');
    assert.equal(await ask(web, { ...GET, status: 204 }), 'answer: status 200, expected 204');
  });

  test('a certificate that is not to be trusted is told by its code where it is verified', async (t) => {
    const at = await serveTls(t);
    const refused = 'answer: TLS failed (DEPTH_ZERO_SELF_SIGNED_CERT)';
    assert.equal(await ask(at, { ...PING, tls: 'verify' }), refused);
    assert.equal(await ask(at, { ...GET, tls: 'verify' }), refused);
  });

  test('the server is asked for the name of the upstream, whichever way it goes, and for no IP address', async (t) => {
    const names: unknown[] = [];
    const at = await serveTls(t, {}, ({ servername }) => names.push(servername));
    const upstreams = ['app.test', 'app.test.', 'localhost', '127.0.0.1', '::1', 'fe80::1%eth0'];
    for (const host of upstreams) assert.equal(await ask(at, PING, { host, port: 1 }), 'ok');
    assert.deepEqual(names, ['app.test', 'app.test', 'localhost', false, false, false]);
  });

  test('a server without TLS is told from one that is silent and from one that closes', async (t) => {
    const answers = async (handle: (socket: Socket) => unknown, timeoutMs = LIMIT_MS): Promise<string> =>
      ask(await serve(t, (socket) => socket.on('data', () => handle(socket))), PING, undefined, timeoutMs);
    assert.match(await answers((socket) => socket.write('-ERR\r\n')), /^answer: TLS failed \(ERR_SSL_\w+\)$/);
    assert.equal(await answers((socket) => socket.end()), 'answer: TLS failed (ECONNRESET)');
    assert.equal(await answers((socket) => socket.resetAndDestroy()), 'answer: TLS failed (ECONNRESET)');
    const late = `answer: no answer to the TLS handshake within ${SHORT_MS} ms`;
    assert.equal(await answers(() => {}, SHORT_MS), late);
  });

  test('a server with TLS does not pass for one without', async (t) => {
    const at = await serveTls(t);
    assert.match(await ask(at, { ...PING, tls: false }), /^answer: /);
    assert.match(await ask(at, { ...GET, tls: false }), /^answer: /);
  });

  test('a server that wants a certificate of the client is told as what it is', async (t) => {
    const at = await serveTls(t, { requestCert: true, rejectUnauthorized: true });
    const wrong = await ask(at, { ...PING, send: '' });
    assert.match(wrong, /^answer: closed without an answer \(ERR_SSL_\w*CERTIFICATE_REQUIRED\)$/);
  });

  test("a server of OpenSSL's has its goodbye after a check, and no error to log", async (t) => {
    const [key, cert] = [join(folder, 'key.pem'), certificate.file];
    const options = ['-accept', '127.0.0.1:0', '-naccept', '1', '-key', key, '-cert', cert];
    const server = spawn('openssl', ['s_server', ...options]);
    t.after(() => server.kill('SIGKILL'));
    const [printed, complaints] = [text(server.stdout), text(server.stderr)];
    const port = await new Promise<number>((done) => {
      createInterface(server.stdout).on('line', (line) => {
        const accepts = /^ACCEPT 127\.0\.0\.1:(\d+)$/.exec(line);
        if (accepts) done(Number(accepts[1]));
      });
    });
    server.stdin.write('+PONG\n');
    assert.equal(await ask({ host: '127.0.0.1', port }, { ...PING, send: '' }), 'ok');
    assert.match(await printed, /^DONE$/m);
    assert.equal(await complaints, '');
  });

  test('neither a connection nor a timer is left after a check', { timeout: 30_000 }, async (t) => {
    const endings: Promise<unknown>[] = [];
    const at = await serveTls(t, {}, (socket) => endings.push(once(socket, 'close')));
    /** The timers that were started from here on, and whether each still runs. */
    const timers = new Map<number, boolean>();
    const hook = createHook({
      init: (id, type) => type === 'Timeout' && timers.set(id, true),
      destroy: (id) => timers.has(id) && timers.set(id, false),
    }).enable();
    t.after(() => hook.disable());
    const forEver = 2_147_483_647;
    assert.equal(await ask(at, PING, at, forEver), 'ok');
    assert.match(await ask(at, { ...PING, tls: 'verify' }, at, forEver), /^answer: TLS failed/);
    await Promise.all(endings);
    while ([...timers.values()].includes(true)) await setImmediate();
    assert.ok(timers.size > 0, 'a check has a time limit');
  });
});
