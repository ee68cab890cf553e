// `npm run demo [-- --inspector | --stop | COMMAND …]` shows steadyport at work, in a PM2_HOME and a STEADYPORT_HOME of its
// own. COMMAND is one of steadyport's or `pm2`, and runs against the demo.
import { spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { networkInterfaces, tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';

const ROOT = fileURLToPath(new URL('..', import.meta.url));
const FOLDER = join(tmpdir(), `steadyport-demo-${userInfo().uid}`);
const CLI = join(ROOT, 'dist', 'cli.js');
const require = createRequire(import.meta.url);
const PM2 = require.resolve('pm2/bin/pm2');
const { findLockHolder, takeLock } = require('../dist/system/lock.js');
/** Beside the folder, which each start removes. */
const LOCK = `${FOLDER}.lock`;
const INSPECTOR = '@modelcontextprotocol/inspector@1.0.3';
const ENV = {
  ...process.env,
  PM2_HOME: join(FOLDER, 'pm2'),
  STEADYPORT_HOME: join(FOLDER, 'home'),
  STEADYPORT_CONFIG: join(FOLDER, 'steadyport.json'),
  STEADYPORT_PROJECT: 'default',
  // The commands that the status names are to act on the demo.
  STEADYPORT_COMMAND_PREFIX: 'npm run demo --',
};
const TIMEOUT_MS = 60_000;

const HELP = `Usage: npm run demo [-- --inspector | --stop | COMMAND …]

Kills a proxy before your eyes, in a PM2 and a folder of its own, which are apart from what runs.

  --inspector  the same with the MCP Inspector, which npx downloads
  --stop       ends the demo, and leaves nothing behind
  COMMAND      runs a command against the demo: status, logs, or another of steadyport's; or pm2`;

const print = (text) => process.stdout.write(`${text}\n`);
/** Runs PM2's command line against the demo. What it prints matters only when it fails. */
const pm2 = (args, env = ENV) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [PM2, ...args], {
    env,
    encoding: 'utf8',
    timeout: TIMEOUT_MS,
    killSignal: 'SIGKILL',
  });
  if (status === 0) return;
  const problem = status === null ? `had not ended after ${TIMEOUT_MS / 1_000} s` : 'failed';
  exit(1, `"pm2 ${args[0]}" ${problem}; npm run demo -- --stop ends the demo\n${stdout}${stderr}`);
};
const steadyport = (...args) => spawnSync(process.execPath, [CLI, ...args], { env: ENV, encoding: 'utf8' });
const status = () => JSON.parse(steadyport('status', '--json').stdout);

const main = async ([option, ...rest]) => {
  if (option === '--help' || option === '-h') return print(HELP);
  if (option === '--serve') return serve(rest.map(Number));
  if (option !== undefined && !option.startsWith('-')) return runInDemo(option, rest);
  if (option !== undefined && !['--stop', '--inspector'].includes(option))
    exit(2, `unknown option "${option}"; there is: --inspector, --stop, or a command such as status`);
  holdLock();
  if (option !== '--stop' && isRunning())
    print('A demo runs already. It is ended, and a new one takes its place.\n');
  await stop();
  if (option === '--stop') return print('The demo is stopped; nothing of it is left.');
  mkdirSync(FOLDER, { recursive: true, mode: 0o700 });
  const application = option === '--inspector' ? 'mcp-inspector' : 'demo-upstream';
  const proxies = option === '--inspector' ? startInspector(application) : await startUpstream(application);
  // A monitor that runs on this machine may have the usual port.
  const monitor = { http: `127.0.0.1:${await freePort()}` };
  writeFileSync(ENV.STEADYPORT_CONFIG, JSON.stringify({ proxies, monitor }, null, 2));
  print('\nPM2 starts the forwarders and the monitor.');
  pm2(['start', join(ROOT, 'ecosystem.config.js')]);
  await waitUntilAllUp();
  print(`\n${steadyport('status').stdout}`);
  const downtimeMs = await killFirstProxy();
  await waitUntilAllUp();
  print(steadyport('status').stdout);
  print(`Killed with SIGKILL, port ${portOf(proxies[0])} served again after ${downtimeMs} ms.`);
  printNextSteps(application);
};

const exit = (code, message) => {
  process.stderr.write(`demo: ${message}\n`);
  process.exit(code);
};

/** Runs a command of steadyport, or PM2's command line, against the demo and on this terminal. */
const runInDemo = (command, args) => {
  if (!isRunning()) exit(2, 'it does not run; start it with: npm run demo');
  const program = command === 'pm2' ? [PM2, ...args] : [CLI, command, ...args];
  const { status: code } = spawnSync(process.execPath, program, { env: ENV, stdio: 'inherit' });
  process.exit(code ?? 1);
};

/** Prints commands to paste. They contain what runs now: the address, the application and the pid file of the first proxy. */
const printNextSteps = (application) => {
  const {
    monitor: { http },
    proxies: [proxy],
  } = status();
  const [address] = proxy.urls.length > 0 ? proxy.urls : proxy.listen.map((each) => `http://${each}`);
  const steps = [
    ['what is up, now and after each step', 'npm run demo -- status'],
    ['the same, once a second, in another terminal; Ctrl-C ends it', 'npm run demo -- status --watch'],
    ['through the proxy to the application', `curl ${address}/`],
    // Another process may have the port of the demo's HTTP.
    ...(http ? [['as JSON, over HTTP', `curl ${http}/api/v1/status`]] : []),
    ['kill the proxy again: it is back within a second', `kill -9 $(cat ${pidFileOf(proxy)})`],
    [
      'stop the application: upstream_down, and nothing is restarted',
      `npm run demo -- pm2 stop ${application}`,
    ],
    ['start it: the ports are up by themselves', `npm run demo -- pm2 start ${application}`],
    [
      'stop a proxy: it stays stopped, until it is started again in the same way',
      `npm run demo -- pm2 stop ${proxy.name}`,
    ],
    ['what was logged of all that', 'npm run demo -- logs'],
    ['end it, and leave nothing behind', 'npm run demo -- --stop'],
  ];
  print('\nIt runs on. Paste, in this folder, what you would like to see:');
  for (const [text, command] of steps) print(`\n  ${text}:\n      ${command}`);
};

const isRunning = () => existsSync(ENV.STEADYPORT_CONFIG);

const pidFileOf = ({ id }) => join(ENV.STEADYPORT_HOME, 'ports', id, 'pid');

/** Keeps every other start and stop of the demo away until this process ends. */
const holdLock = () => {
  const release = takeLock(LOCK);
  if (release === undefined)
    exit(1, `another one is being started or stopped (pid ${findLockHolder(LOCK)}); wait until that is done`);
  process.once('exit', release);
};

/** Ends the demo's PM2 daemon with all its apps, which it finds by the demo's PM2_HOME, and removes the demo's folder. */
const stop = async () => {
  if (existsSync(join(ENV.PM2_HOME, 'rpc.sock')))
    spawnSync(process.execPath, [PM2, 'kill'], {
      env: ENV,
      stdio: 'ignore',
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
    });
  // A daemon that has lost its socket cannot be reached; on SIGTERM it does the same (lib/Daemon.js of PM2).
  for (const pid of listDaemons()) process.kill(Number(pid), 'SIGTERM');
  for (const giveUpAt = Date.now() + TIMEOUT_MS; listDaemons().length > 0; await sleep(50))
    if (Date.now() > giveUpAt)
      exit(1, `its PM2 daemon does not end: kill -9 ${listDaemons().join(' ')}, and then the same again`);
  rmSync(FOLDER, { recursive: true, force: true });
};

/** The pids of the demo's PM2 daemons; none without /proc. The title shows a daemon, and the system may have cut its end. */
const listDaemons = () =>
  readProc('self', 'cmdline') === ''
    ? []
    : readdirSync('/proc').filter(
        (pid) =>
          /^PM2 v\S+: God Daemon/.test(readProc(pid, 'cmdline')) &&
          readProc(pid, 'environ').split('\0').includes(`PM2_HOME=${ENV.PM2_HOME}`),
      );

/** The text of a process's file in /proc; empty when it cannot be read. */
const readProc = (pid, name) => {
  try {
    return readFileSync(`/proc/${pid}/${name}`, 'utf8');
  } catch {
    return '';
  }
};

/** Starts a small web application on two free ports of localhost only. @returns a proxy of the config for each */
const startUpstream = async (name) => {
  const ports = [await freePort(), await freePort()];
  pm2(['start', fileURLToPath(import.meta.url), '--name', name, '--', '--serve', ...ports.map(String)]);
  print(
    `An application listens on localhost only: ${ports.map((port) => `127.0.0.1:${port}`).join(' and ')}`,
  );
  const isReachable = hasExternalAddress();
  if (!isReachable)
    print('This machine has no other address than loopback: the demo listens on other loopback ports.');
  return Promise.all(
    ports.map(async (port, index) => ({
      label: `demo ${index + 1}`,
      listen: isReachable ? `${port}` : `127.0.0.1:${await freePort()}`,
      upstream: `localhost:${port}`,
      probe: { type: 'http', path: '/', body: 'steadyport' },
    })),
  );
};

/** Starts the MCP Inspector on its own ports 6274 and 6277 of localhost. @returns a proxy of the config for each */
const startInspector = (name) => {
  const token = randomBytes(16).toString('hex');
  const hosts = ['localhost', ...externalAddresses()];
  const env = {
    ...ENV,
    MCP_AUTO_OPEN_ENABLED: 'false',
    MCP_PROXY_AUTH_TOKEN: token,
    ALLOWED_ORIGINS: hosts.map((host) => `http://${host}:6274`).join(','),
  };
  pm2(['start', 'npx', '--name', name, '--', '--yes', INSPECTOR], env);
  print(`The MCP Inspector (${INSPECTOR}) starts on localhost:6274 and :6277. Open it at:`);
  for (const host of hosts.slice(1)) print(`  http://${host}:6274/?MCP_PROXY_AUTH_TOKEN=${token}`);
  return [
    {
      label: 'MCP Inspector Web UI',
      listen: '6274',
      upstream: 'localhost:6274',
      probe: { type: 'http', path: '/' },
    },
    {
      label: 'MCP Inspector Proxy',
      listen: '6277',
      upstream: 'localhost:6277',
      probe: { type: 'http', path: '/health' },
    },
  ];
};

/** Waits until the monitor runs and every proxy is up. */
const waitUntilAllUp = async () => {
  for (const deadline = Date.now() + TIMEOUT_MS; Date.now() < deadline; await sleep(200)) {
    const { monitor, proxies } = status();
    if (monitor && proxies.every(({ state }) => state === 'up')) return;
  }
  print(steadyport('status').stdout);
  exit(1, `not everything is up after ${TIMEOUT_MS / 1_000} s; npm run demo -- --stop ends it`);
};

/** Kills the first proxy. @returns the milliseconds from the SIGKILL to the next answer on its port */
const killFirstProxy = async () => {
  const [proxy] = status().proxies;
  const [host, port] = splitAddress(proxy.listen.find((address) => !address.includes('%')));
  print(`kill -9 ${proxy.pid}   (${proxy.name})`);
  process.kill(proxy.pid, 'SIGKILL');
  const startedAt = performance.now();
  while (!(await answers(host, port))) {
    if (performance.now() - startedAt > TIMEOUT_MS)
      exit(1, `port ${port} did not come back; npm run demo -- --stop ends it`);
    await sleep(10);
  }
  const downtimeMs = Math.round(performance.now() - startedAt);
  for (const deadline = Date.now() + TIMEOUT_MS; Date.now() < deadline; await sleep(200)) {
    if (status().proxies[0].recovery.count > 0) break;
  }
  return downtimeMs;
};

const answers = async (host, port) => {
  try {
    return (await fetch(`http://${host}:${port}/`, { signal: AbortSignal.timeout(2_000) })).ok;
  } catch {
    return false;
  }
};

const splitAddress = (address) => [
  address.slice(0, address.lastIndexOf(':')),
  address.slice(address.lastIndexOf(':') + 1),
];
const portOf = ({ listen }) => listen.split(':').at(-1);
const externalAddresses = () =>
  Object.values(networkInterfaces()).flatMap((list) =>
    list
      .filter(({ internal, scopeid }) => !internal && !scopeid)
      .map(({ address, family }) => (family === 'IPv6' ? `[${address}]` : address)),
  );
const hasExternalAddress = () => externalAddresses().length > 0;

const freePort = () =>
  new Promise((done) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });

const serve = (ports) => {
  for (const port of ports)
    createServer((_, response) =>
      response.end(`<h1>steadyport demo</h1> this is localhost:${port}\n`),
    ).listen(port, '127.0.0.1');
};

await main(process.argv.slice(2));
