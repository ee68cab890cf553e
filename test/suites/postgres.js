// pgbench, and COPY over TLS, against PostgreSQL.
import { randomBytes } from 'node:crypto';
import { chmodSync, chownSync, existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { launch, runTool } from '../../bench/lib/children.js';
import { waitForPort } from '../../bench/lib/ports.js';
import { makeCertificate } from './certificate.js';
import { portOf } from './places.js';
import { run } from './run-program.js';

const LIMIT_MS = 10 * 60_000;
const VERSIONS = '/usr/lib/postgresql';
const ROWS = 100_000;
/** PostgreSQL refuses to run as root: then it is Debian's "daemon". */
const DAEMON = 1;
const isRoot = process.getuid() === 0;
const AS_DAEMON = isRoot ? ['setpriv', `--reuid=${DAEMON}`, `--regid=${DAEMON}`, '--clear-groups'] : [];

export const POSTGRES_SUITE = {
  name: 'pgbench and COPY',
  packages: ['postgresql', 'openssl'],
  places: { count: 1 },
  prepare: async (folder) => {
    const cluster = await makeCluster(folder);
    return async ([{ listen, dial }], only) => {
      const port = portOf(listen);
      const options = { ...SETTINGS, port };
      const settings = Object.entries(options).flatMap(([name, value]) => ['-c', `${name}=${value}`]);
      const command = [...AS_DAEMON, cluster.program('postgres'), '-D', cluster.data, ...settings];
      const server = launch(command, { folder, listen: Number(port) });
      await waitForPort(server);
      const results = [];
      for (const { name, measure } of casesOf({ ...cluster, folder, port: portOf(dial) }))
        if (only?.includes(name) ?? true) results.push({ name, ...(await measure()) });
      process.kill(server.pid, 'SIGINT');
      await server.gone;
      return results;
    };
  },
};

const SETTINGS = {
  listen_addresses: '127.0.0.1',
  unix_socket_directories: '',
  fsync: 'off',
  ssl: 'on',
  // The rows come back in the order in which they were written.
  synchronize_seqscans: 'off',
};

const makeCluster = async (folder) => {
  const versions = existsSync(VERSIONS) ? readdirSync(VERSIONS).map(Number) : [];
  const program = (name) => join(VERSIONS, `${Math.max(...versions)}`, 'bin', name);
  for (const path of [dirname(folder), folder]) chmodSync(path, 0o755);
  const home = join(folder, 'cluster');
  await runTool(['install', '-d', ...(isRoot ? ['-o', `${DAEMON}`] : []), home]);
  const data = join(home, 'data');
  const options = '-U steady -A trust --no-sync --locale=C'.split(' ');
  await runTool([...AS_DAEMON, program('initdb'), '-D', data, ...options]);
  const { key, cert } = await makeCertificate(data);
  if (isRoot) for (const file of [key, cert]) chownSync(file, DAEMON, DAEMON);
  return { program, data };
};

const casesOf = ({ program, folder, port }) => {
  const where = ['-h', '127.0.0.1', '-p', port, '-U', 'steady'];
  const start = (name, args, sslmode) =>
    run([program(name), ...where, ...args], {
      env: { PGSSLMODE: sslmode, PGDATABASE: 'postgres' },
      limitMs: LIMIT_MS,
    });
  const pgbench = (name, args, { isDone = allProcessed, sslmode = 'disable' } = {}) => ({
    name: `pgbench: ${name}`,
    measure: async () => outcomeOf(await start('pgbench', args, sslmode), isDone),
  });
  const load = (...args) => ['-n', '-c', '8', '-j', '2', '-t', '200', ...args];
  const pipeline = join(folder, 'pipeline.sql');
  const statements = Array.from({ length: 100 }, () => 'select 1;');
  writeFileSync(pipeline, ['\\startpipeline', ...statements, '\\endpipeline', ''].join('\n'));
  const TLS = { sslmode: 'require' };
  return [
    pgbench('makes the tables', ['-i', '-s', '5', '-q'], { isDone: () => true }),
    ...['tpcb-like', 'simple-update', 'select-only'].flatMap((script) =>
      ['simple', 'extended', 'prepared'].map((protocol) =>
        pgbench(`${script}, ${protocol} protocol`, load('-b', script, '-M', protocol)),
      ),
    ),
    pgbench('a connection for each transaction', load('-b', 'select-only', '-C')),
    pgbench('pipelines of 100', load('-f', pipeline, '-M', 'extended')),
    pgbench('tpcb-like over TLS', load('-b', 'tpcb-like'), TLS),
    pgbench('a connection for each transaction over TLS', load('-b', 'select-only', '-C'), TLS),
    ...['disable', 'require'].map((sslmode) => copy(folder, sslmode, start)),
  ];
};

/** 100 MB into a table and back into a file. */
const copy = (folder, sslmode, start) => ({
  name: `COPY, TLS ${sslmode}d`,
  measure: async () => {
    const [sent, received] = ['sent', 'received'].map((name) => join(folder, name));
    const rows = Array.from({ length: ROWS }, (_, id) => `${id}\t${randomBytes(500).toString('hex')}\n`);
    writeFileSync(sent, rows.join(''));
    const commands = [
      'drop table if exists rows',
      'create table rows (id int, text text)',
      `\\copy rows from '${sent}'`,
      `\\copy rows to '${received}'`,
    ];
    const args = ['-X', '-v', 'ON_ERROR_STOP=1', ...commands.flatMap((command) => ['-c', command])];
    const isSame = () => readFileSync(sent).equals(readFileSync(received));
    return outcomeOf(await start('psql', args, sslmode), isSame);
  },
});

const allProcessed = (output) => {
  const [, done, asked] = /actually processed: (\d+)\/(\d+)/.exec(output) ?? [];
  return done !== undefined && done === asked && /number of failed transactions: 0 /.test(output);
};

const outcomeOf = ({ code, output }, isDone) => ({
  outcome: code === 0 && isDone(output) ? 'passed' : 'failed',
  output,
});
