import assert from 'node:assert/strict';
import { createHash, randomBytes } from 'node:crypto';
import { chownSync, existsSync, readdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import type { CloseReason } from '../../../src/lib/close-reason.ts';
import { makeCertificate } from '../../support/programs/certificate.ts';
import { DAEMON, openStage, type Stage, sha256 } from '../../support/programs/stage.ts';
import { freePort } from '../../support/proxy/proxy-harness.ts';
import { needs, needsProgram } from '../../support/requirements.ts';

/** Debian keeps PostgreSQL's programs off the PATH, in a folder for each version. */
const VERSIONS = '/usr/lib/postgresql';
const [version = '15'] = existsSync(VERSIONS)
  ? readdirSync(VERSIONS).sort((a, b) => Number(b) - Number(a))
  : [];
const postgres = (program: string): string => join(VERSIONS, version, 'bin', program);

test('PostgreSQL: 100 MB by COPY arrive whole, in the table and back in a file', {
  skip: needs(needsProgram(postgres('postgres'), 'postgresql'), needsProgram(postgres('psql'), 'postgresql')),
}, async (t) => {
  const stage = openStage(t);
  // The rows come back in the order in which they were written.
  const port = await servePostgres(stage, { synchronize_seqscans: 'off' });
  const proxy = await stage.proxy(port);
  const psql = (...commands: readonly string[]): Promise<string> => {
    const asked = commands.flatMap((command) => ['-c', command]);
    return stage.run(postgres('psql'), ['-X', '-At', '-v', 'ON_ERROR_STOP=1', ...asked, ...database(proxy)]);
  };

  const rows = Array.from({ length: 100_000 }, () => randomBytes(750).toString('base64'));
  const sent = join(stage.folder, 'sent');
  writeFileSync(sent, rows.map((text, id) => `${id}\t${text}\n`).join(''));
  const copied = await psql('create table rows (id int, text text)', `\\copy rows from '${sent}'`);
  assert.equal(copied, 'CREATE TABLE\nCOPY 100000\n');

  const md5 = (text: string): string => createHash('md5').update(text).digest('hex');
  assert.equal(
    await psql("select count(*), md5(string_agg(md5(text), '' order by id)) from rows"),
    `100000|${md5(rows.map(md5).join(''))}\n`,
  );

  const received = join(stage.folder, 'received');
  assert.equal(await psql(`\\copy rows to '${received}'`), 'COPY 100000\n');
  assert.equal(sha256(received), sha256(sent));

  const connections = await proxy.end();
  assert.deepEqual(
    connections.map(({ reason }) => reason),
    ['done', 'done', 'done'],
  );
  assert.ok(connections.some(({ bytesToUpstream }) => bytesToUpstream > 1e8));
  assert.ok(connections.some(({ bytesToClient }) => bytesToClient > 1e8));
});

const database = ({ port }: { readonly port: number }): readonly string[] => [
  '-h',
  '127.0.0.1',
  '-p',
  `${port}`,
  '-U',
  'steady',
  'postgres',
];

/** Makes a cluster and starts its server. @returns its port */
const servePostgres = async (stage: Stage, settings: Readonly<Record<string, string>>): Promise<number> => {
  const data = join(stage.folder, 'data');
  const port = await freePort();
  const init = ['-D', data, '-U', 'steady', '-A', 'trust', '-E', 'UTF8', '--locale=C', '--no-sync'];
  await stage.run(postgres('initdb'), init, { ids: DAEMON.ids });
  const all = {
    listen_addresses: '127.0.0.1',
    port,
    unix_socket_directories: '',
    fsync: 'off',
    wal_level: 'minimal',
    max_wal_senders: 0,
    ...settings,
  };
  const options = Object.entries(all).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
  const args = ['-D', data, ...options];
  await stage.serve(postgres('postgres'), args, /ready to accept connections/, DAEMON.ids);
  return port;
};

/** Many statements before the first answer is read. */
const PIPELINE = [
  '\\startpipeline',
  ...Array.from({ length: 100 }, () => 'select 1;'),
  '\\endpipeline',
  '',
].join('\n');

for (const engine of ['kernel', 'portable'] as const)
  test(`PostgreSQL, ${engine}: pgbench has each transaction done, over TLS too, and when each has a connection`, {
    skip: needs(
      needsProgram(postgres('postgres'), 'postgresql'),
      needsProgram(postgres('pgbench'), 'postgresql'),
      needsProgram('openssl', 'openssl'),
    ),
  }, async (t) => {
    const stage = openStage(t);
    const { file, keyFile } = makeCertificate(stage.folder);
    const { uid, gid } = DAEMON.ids;
    if (uid !== undefined && gid !== undefined) chownSync(keyFile, uid, gid);
    const port = await servePostgres(stage, { ssl: 'on', ssl_cert_file: file, ssl_key_file: keyFile });
    const proxy = await stage.proxy(port, engine);
    const pgbench = (sslmode: string, ...args: readonly string[]): Promise<string> =>
      stage.run('env', [`PGSSLMODE=${sslmode}`, postgres('pgbench'), ...args, ...database(proxy)]);

    await pgbench('disable', '-i', '-q');
    const pipeline = join(stage.folder, 'pipeline.sql');
    writeFileSync(pipeline, PIPELINE);
    const loads: readonly (readonly [sslmode: string, ...load: string[]])[] = [
      ['disable', '-b', 'tpcb-like'],
      ['disable', '-b', 'select-only', '-M', 'prepared', '-C'],
      ['disable', '-f', pipeline, '-M', 'extended'],
      ['require', '-b', 'tpcb-like'],
      ['require', '-b', 'select-only', '-C'],
    ];
    for (const [sslmode, ...load] of loads) {
      const said = await pgbench(sslmode, '-n', '-c', '4', '-t', '25', ...load);
      assert.match(said, /actually processed: 100\/100\nnumber of failed transactions: 0 /);
    }

    const connections = await proxy.end();
    assert.ok(connections.length >= 2 * 100, 'a connection for each transaction');
    // With TLS both ends say goodbye at the same time: the one that closes first answers the other's by a reset.
    const normal: readonly CloseReason[] = ['done', 'client_reset', 'upstream_reset'];
    const other = connections.filter(({ reason }) => !normal.includes(reason));
    assert.deepEqual(other, []);
  });

test('Redis: redis-benchmark has every request answered, and a value of 1 MB is the same afterwards', {
  skip: needs(
    needsProgram('redis-server', 'redis-server'),
    needsProgram('redis-benchmark', 'redis-tools'),
    needsProgram('redis-cli', 'redis-tools'),
  ),
}, async (t) => {
  const stage = openStage(t);
  const port = await freePort();
  const config = ['--port', `${port}`, '--bind', '127.0.0.1', '--dir', stage.folder, '--save', ''];
  await stage.serve('redis-server', config, /Ready to accept connections/);
  const proxy = await stage.proxy(port);
  const where = ['-h', '127.0.0.1', '-p', `${proxy.port}`];
  const cli = (args: readonly string[], input?: string): Promise<string> =>
    stage.run('redis-cli', [...where, ...args], input === undefined ? {} : { input });

  const benchmark = ['-t', 'set,get', '-c', '50', '-d', '1000', '--csv'];
  await stage.run('redis-benchmark', [...where, ...benchmark, '-n', '20000']);
  await stage.run('redis-benchmark', [...where, ...benchmark, '-n', '100000', '-P', '16']);
  const counted = await cli(['info', 'commandstats']);
  for (const command of ['set', 'get'])
    assert.match(counted, new RegExp(`^cmdstat_${command}:calls=120000,.*failed_calls=0`, 'm'));

  const value = randomBytes(500_000).toString('hex');
  assert.equal(await cli(['-x', 'set', 'value'], value), 'OK\n');
  assert.ok((await cli(['get', 'value'])) === `${value}\n`, 'the value is as it was set');

  const connections = await proxy.end();
  assert.ok(connections.length > 4 * 50, 'each of the four rounds with 50 connections');
  assert.deepEqual(new Set(connections.map(({ reason }) => reason)), new Set(['done']));
  assert.ok(connections.some(({ bytesToClient }) => bytesToClient > 1e6));
});
