import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { describe, test } from 'node:test';
import { setTimeout as pause } from 'node:timers/promises';
import { HAS_PROCFS } from '../../../../src/system/proc/procfs.ts';
import {
  dial,
  echo,
  forEachEngine,
  freePort,
  readAll,
  readBytes,
  serve,
} from '../../../support/proxy/proxy-harness.ts';
import { trackOpenFiles } from '../../../support/proxy-observation.ts';
import { needs, needsProgram } from '../../../support/requirements.ts';
import { until } from '../../../support/until.ts';

/** How every engine sets up its sockets. */
forEachEngine((name, rig) =>
  describe(`sockets of the ${name} engine`, () => {
    test('send at once, and probe the peer after 30 s of silence, on both sides', {
      skip: needs(HAS_PROCFS ? undefined : 'needs /proc', needsProgram('perl', 'perl-base')),
      timeout: 60_000,
    }, async (t) => {
      const upstream = await serve(t, echo);
      const { dial, address } = await rig(t, upstream);
      const openFiles = trackOpenFiles();
      const client = dial();
      client.write('x');
      await readBytes(client, 1);
      const fds = openFiles()
        .filter((file) => file.includes(' socket:'))
        .map((file) => Number.parseInt(file, 10));
      const sides = (): readonly (SocketOptions | undefined)[] => {
        const found = optionsOf(fds);
        return [
          found.find(({ local }) => local === address.port),
          found.find(({ remote }) => remote === upstream.port),
        ];
      };
      // The kernel engine turns keepalive on only after a connection has been open for a while.
      while (sides().some((side) => side?.keepalive === 0)) await pause(100);
      for (const side of sides()) {
        const { local, remote, ...options } = side ?? assert.fail('no such socket');
        assert.deepEqual(options, { nodelay: 1, keepalive: 1, idleSeconds: 30 }, `${local} → ${remote}`);
      }
    });

    test('on 0.0.0.0 and on :: work beside each other, each with its own clients', async (t) => {
      const everywhere = { host: '0.0.0.0', port: await freePort('0.0.0.0') };
      const { engine, records } = await rig(t, await serve(t, echo), {}, everywhere);
      await engine.listen({ ...everywhere, host: '::' });
      for (const host of ['127.0.0.1', '::1']) {
        const client = dial(t, { ...everywhere, host });
        client.end(host);
        assert.equal((await readAll(client)).toString(), host);
      }
      await until(() => records.length === 2);
      assert.deepEqual(
        records.map(({ client }) => client.host),
        ['127.0.0.1', '::1'],
      );
    });
  }),
);

interface SocketOptions {
  readonly local: number;
  readonly remote: number;
  readonly nodelay: number;
  readonly keepalive: number;
  readonly idleSeconds: number;
}

/** Node.js has no getsockopt: a child, which gets the sockets as its files 3, 4, ..., calls it. */
const optionsOf = (fds: readonly number[]): readonly SocketOptions[] => {
  const script = `for (3 .. $#ARGV + 3) {
    open my $s, '+<&=', $_ or die;
    my @ports = map { (sockaddr_in $_)[0] } getsockname $s, getpeername $s;
    my @options = ([IPPROTO_TCP, TCP_NODELAY], [SOL_SOCKET, SO_KEEPALIVE], [IPPROTO_TCP, TCP_KEEPIDLE]);
    print join(' ', @ports, map { unpack 'i', getsockopt $s, $_->[0], $_->[1] } @options), "\\n";
  }`;
  const { stdout } = spawnSync('perl', ['-MSocket=:all', '-e', script, ...fds.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit', ...fds],
    encoding: 'utf8',
  });
  return stdout
    .trim()
    .split('\n')
    .map((line) => {
      const [local = 0, remote = 0, nodelay = 0, keepalive = 0, idleSeconds = 0] = line
        .split(' ')
        .map(Number);
      return { local, remote, nodelay, keepalive, idleSeconds };
    });
};
