import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { AF_INET, type Libc, loadLibc } from '../../../../../src/libc/libc.ts';
import { openListener, setLowLatency } from '../../../../../src/libc/socket-options.ts';
import { needs } from '../../../../support/requirements.ts';

const skip = needs(process.platform === 'linux' ? undefined : 'needs Linux');

test('sockets on loopback do not pace, and all others use the congestion control of the system', {
  skip,
}, (t) => {
  const libc = loadLibc();
  const systemDefault = readFileSync('/proc/sys/net/ipv4/tcp_congestion_control', 'utf8').trim();
  const fds = ['127.0.0.1', '192.0.2.1'].map((host) => openDialingSocket(libc, host));
  for (const host of ['127.0.0.1', '0.0.0.0']) fds.push(openListener(libc, { host, port: 0 }).fd);
  t.after(() => {
    for (const fd of fds) libc.close(fd);
  });
  assert.deepEqual(congestionControls(fds), ['reno', systemDefault, 'reno', systemDefault]);
});

const openDialingSocket = (libc: Libc, host: string): number => {
  const fd = libc.socket(AF_INET);
  setLowLatency(libc, fd, { host, port: 80 });
  return fd;
};

/** Asks a child, which inherits the sockets as its files 3, 4, …, because Node.js has no getsockopt(2). */
const congestionControls = (fds: readonly number[]): readonly string[] => {
  const script = `for (3 .. $#ARGV + 3) {
    open my $s, '+<&=', $_ or die;
    print unpack('Z*', getsockopt $s, IPPROTO_TCP, TCP_CONGESTION), "\\n";
  }`;
  const { stdout } = spawnSync('perl', ['-MSocket=:all', '-e', script, ...fds.map(String)], {
    stdio: ['ignore', 'pipe', 'inherit', ...fds],
    encoding: 'utf8',
  });
  return stdout.trim().split('\n');
};
