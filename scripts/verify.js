// `npm run verify -- NAME …` runs checks that take too long, or need too much, for `npm test`. Without a name it lists them.
import { spawn, spawnSync } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { availableParallelism, tmpdir } from 'node:os';
import { delimiter, join } from 'node:path';

const run = (command, env = {}) => {
  console.log(`$ ${[...Object.entries(env).map((pair) => pair.join('=')), ...command].join(' ')}`);
  const [program, ...args] = command;
  const { status, error } = spawnSync(program, args, { stdio: 'inherit', env: { ...process.env, ...env } });
  if (error) throw error;
  if (status !== 0) throw new Error(`${command.join(' ')} ended with ${status ?? 'a signal'}`);
};

/** The tests that need no PM2, on another version of Node.js. npm's package `node` brings its binary. */
const onNode = (version) => () => {
  const folder = mkdtempSync(join(tmpdir(), 'steadyport-node-'));
  try {
    run([
      'npm',
      'install',
      '--no-audit',
      '--no-fund',
      '--loglevel=error',
      '--prefix',
      folder,
      `node@${version}`,
    ]);
    const PATH = [join(folder, 'node_modules/node/bin'), process.env.PATH].join(delimiter);
    run(['node', '--version'], { PATH });
    run(['node', 'test/run.js', 'unit/', 'integration/'], { PATH });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
};

const bench = (...options) => run(['npm', 'run', '--silent', 'bench', '--', ...options]);
const fuzz = (runs, command) => run(command, { STEADYPORT_FUZZ_RUNS: runs });

/**
 * Busy and idle in turns of up to BURST_MS, as long as the process that has started it runs. The lengths are drawn by
 * chance, so that the threads of a test get the cores in ever other orders.
 */
const BURSTS = `
  const BURST_MS = 100;
  const parent = process.ppid;
  const burst = () => {
    if (process.ppid !== parent) return;
    for (const end = performance.now() + Math.random() * BURST_MS; performance.now() < end; );
    setTimeout(burst, Math.random() * BURST_MS);
  };
  burst();`;

/** Runs a check beside programs that take the cores from it, three for two cores. */
const underLoad = (check) => {
  const count = Math.ceil(availableParallelism() * 1.5);
  const children = Array.from({ length: count }, () =>
    spawn(process.execPath, ['-e', BURSTS], { stdio: 'ignore' }),
  );
  try {
    check();
  } finally {
    for (const child of children) child.kill();
  }
};

/** The command of tests that give way to the load. */
const politely = (...args) => ['nice', '-n', '10', 'node', 'test/run.js', ...args];

/** How long each takes on two cores, and what it needs besides the packages of package.json. */
const CHECKS = {
  node22: {
    what: 'unit and integration tests on Node.js 22',
    minutes: 3,
    needs: "npm's registry",
    verify: onNode(22),
  },
  node24: {
    what: 'unit and integration tests on Node.js 24',
    minutes: 3,
    needs: "npm's registry",
    verify: onNode(24),
  },
  'bench-quick': {
    what: 'all runs of the bench with small loads: that they work, not how fast',
    minutes: 2,
    needs: 'Debian packages haproxy nginx libnginx-mod-stream wrk socat python3 strace iperf3 logrotate',
    verify: () => {
      for (const kind of [[], ['--soak'], ['--fates'], ['--stalled'], ['--watched'], ['--rotation']])
        bench('--quick', ...kind);
    },
  },
  fuzz: {
    what: 'random scripts on a busy machine: 100,000 through the kernel engine, 10,000 through the portable one; then 200,000 through the kernel engine on a fake kernel',
    minutes: 40,
    needs: '',
    verify: () => {
      underLoad(() => {
        fuzz('100000', politely('proxy/fuzz', '--grep=kernel', '--limit-minutes=180'));
        fuzz('10000', politely('proxy/fuzz', '--grep=portable', '--limit-minutes=60'));
      });
      fuzz('200000', ['node', 'test/run.js', 'property/kernel-data-path', '--limit-minutes=60']);
    },
  },
  soak: {
    what: '9,000 connections held and 1,000 new ones a second, for 10 minutes, through each engine',
    minutes: 22,
    needs: '',
    verify: () => bench('--soak', '--seconds=600'),
  },
  fates: {
    what: '50,000 connections that end in every way through each engine, which must leave no file open',
    minutes: 5,
    needs: '',
    verify: () => bench('--fates'),
  },
  stalled: {
    what: '3,000 connections whose receiver does not read, in both directions, through each engine: memory, and open files',
    minutes: 6,
    needs: '',
    verify: () => bench('--stalled', '--forwarders=kernel,portable'),
  },
  suites: {
    what: "other people's test suites through each engine, and without a proxy as control",
    minutes: 45,
    needs: `Debian packages ${[
      'golang-go golang-golang-x-net-dev golang-github-gorilla-websocket-dev',
      'nghttp2-client nghttp2-server openssl postgresql redis-server redis-tools tcl',
    ].join(' ')}, and Debian's source packages`,
    verify: () => {
      run(['npm', 'run', '--silent', 'build']);
      run(['node', 'test/suites/run.js']);
    },
  },
  mutants: {
    what: 'faults planted one at a time, each of which a unit or an integration test must catch',
    minutes: 25,
    needs: '',
    verify: () => run(['node', 'test/mutants/run.js']),
  },
};

const list = () =>
  Object.entries(CHECKS)
    .map(([name, { what, minutes, needs }]) => {
      const needed = needs === '' ? '' : `\n${' '.repeat(15)}needs ${needs}`;
      return `  ${name.padEnd(12)} ${what}; about ${minutes} min${needed}`;
    })
    .join('\n');

const names = process.argv.slice(2);
const unknown = names.filter((name) => !Object.hasOwn(CHECKS, name));
if (unknown.length > 0) {
  console.error(`There is no check ${unknown.join(' or ')}. There are:\n${list()}`);
  process.exit(2);
}
if (names.length === 0) console.log(`npm run verify -- NAME …\n${list()}`);
for (const name of names) {
  const startedAt = performance.now();
  try {
    CHECKS[name].verify();
  } catch (error) {
    console.error(`verify ${name}: ${error.message}`);
    process.exit(1);
  }
  console.log(`verify ${name}: passed in ${Math.round((performance.now() - startedAt) / 1_000)} s`);
}
