import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { CloseReason } from '../../../src/lib/close-reason.ts';
import { DAEMON, openStage, sha256 } from '../../support/programs/stage.ts';
import { freePort } from '../../support/proxy/proxy-harness.ts';
import { needs, needsProgram } from '../../support/requirements.ts';

/** An absolute path: sshd refuses to run by its bare name. */
const SSHD = '/usr/sbin/sshd';

test('OpenSSH: scp copies 100 MB there and back', {
  skip: needs(
    needsProgram(SSHD, 'openssh-server'),
    needsProgram('ssh-keygen', 'openssh-client'),
    needsProgram('scp', 'openssh-client'),
  ),
}, async (t) => {
  const stage = openStage(t);
  const file = (name: string): string => join(stage.folder, name);
  const keygen = ['-q', '-t', 'ed25519', '-N', '', '-f'];
  await stage.run('ssh-keygen', [...keygen, file('host_key')], { ids: DAEMON.ids });
  await stage.run('ssh-keygen', [...keygen, file('user_key')]);
  const port = await freePort();
  // Without root: no PAM, no /run/sshd, and only the user that it runs as may log in.
  const config = {
    Port: port,
    ListenAddress: '127.0.0.1',
    HostKey: file('host_key'),
    AuthorizedKeysFile: file('user_key.pub'),
    StrictModes: 'no',
    PidFile: 'none',
    Subsystem: 'sftp internal-sftp',
    ForceCommand: 'internal-sftp',
  };
  const lines = Object.entries(config).map(([name, value]) => `${name} ${value}\n`);
  writeFileSync(file('sshd_config'), lines.join(''));
  await stage.serve(SSHD, ['-D', '-e', '-f', file('sshd_config')], /Server listening on/, DAEMON.ids);
  const proxy = await stage.proxy(port);
  const scp = (from: string, to: string): Promise<string> => {
    const options = ['BatchMode=yes', 'StrictHostKeyChecking=no', 'UserKnownHostsFile=/dev/null'];
    const how = ['-F', 'none', '-i', file('user_key'), ...options.flatMap((option) => ['-o', option])];
    return stage.run('scp', [...how, '-P', `${proxy.port}`, from, to]);
  };

  writeFileSync(file('sent'), randomBytes(1e8));
  await scp(file('sent'), `${DAEMON.name}@127.0.0.1:${file('there')}`);
  assert.equal(sha256(file('there')), sha256(file('sent')));
  await scp(`${DAEMON.name}@127.0.0.1:${file('there')}`, file('back'));
  assert.equal(sha256(file('back')), sha256(file('sent')));

  const connections = await proxy.end();
  assert.deepEqual(
    connections.map(({ reason }) => reason),
    ['done', 'done'],
  );
  assert.ok((connections[0]?.bytesToUpstream ?? 0) > 1e8);
  assert.ok((connections[1]?.bytesToClient ?? 0) > 1e8);
});

/** The output of iperf3 -J (https://github.com/esnet/iperf). */
interface Report {
  readonly error?: string;
  readonly end: { readonly sum_received: { readonly bytes: number } };
}

test('iperf3: 200 MB each way, by one stream and by four', {
  skip: needs(needsProgram('iperf3', 'iperf3')),
}, async (t) => {
  const stage = openStage(t);
  const port = await freePort();
  await stage.serve('iperf3', ['-s', '-B', '127.0.0.1', '-p', `${port}`, '--forceflush'], /Server listening/);
  const proxy = await stage.proxy(port);
  /** @returns the bytes that arrived */
  const measure = async (...how: readonly string[]): Promise<number> => {
    const where = ['-c', '127.0.0.1', '-p', `${proxy.port}`];
    const { error, end } = JSON.parse(
      await stage.run('iperf3', [...where, '-J', '-n', '200M', ...how]),
    ) as Report;
    assert.equal(error, undefined);
    assert.ok(end.sum_received.bytes > 0);
    return end.sum_received.bytes;
  };
  const up = (await measure()) + (await measure('-P', '4'));
  const down = (await measure('-R')) + (await measure('-P', '4', '-R'));

  const connections = await proxy.end();
  assert.equal(
    connections.length,
    2 * (1 + 1) + 2 * (1 + 4),
    'each transfer has one control connection and its streams',
  );
  // iperf3 ends when enough was sent: it then resets streams that it has not read to the end.
  const reasons = connections.map(({ reason }) => reason);
  const normal: readonly CloseReason[] = ['done', 'upstream_reset', 'client_reset'];
  assert.ok(
    reasons.every((reason) => normal.includes(reason)),
    reasons.join(),
  );
  assert.ok(reasons.filter((reason) => reason === 'done').length >= 4, reasons.join());
  assert.ok(sum(connections.map(({ bytesToUpstream }) => bytesToUpstream)) >= up);
  assert.ok(sum(connections.map(({ bytesToClient }) => bytesToClient)) >= down);
});

const sum = (numbers: readonly number[]): number => numbers.reduce((total, number) => total + number, 0);
