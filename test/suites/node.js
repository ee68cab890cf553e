// The tests of Node.js itself: each file is a case, run by the Node.js that runs this.
import { mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { fetchSource } from './debian.js';
import { textOf } from './places.js';
import { run } from './run-program.js';

const LIMIT_MS = 120_000;
const PRELOAD = fileURLToPath(new URL('node/preload.cjs', import.meta.url));
const WORKERS = 2;
const PLACES_PER_WORKER = 4;

/** The tests named test-WORD-… */
const ofModule = (word) => ({
  name: `Node.js ${word}`,
  packages: [],
  places: { count: WORKERS * PLACES_PER_WORKER },
  prepare: async (folder, root) => {
    const { source, version } = await fetchSource('nodejs', root, MEMBERS);
    const tests = join(source, 'test/parallel');
    const files = readdirSync(tests).filter(
      (name) => name.startsWith(`test-${word}-`) && /\.m?js$/.test(name),
    );
    const runTests = async (places, only = files) => {
      const queue = files.filter((file) => only.includes(file));
      const work = async (worker) => {
        const own = places.slice(worker * PLACES_PER_WORKER, (worker + 1) * PLACES_PER_WORKER);
        const results = [];
        for (let file = queue.shift(); file !== undefined; file = queue.shift())
          results.push(await runTest(join(tests, file), file, { places: own, worker, folder }));
        return results;
      };
      return (await Promise.all(Array.from({ length: WORKERS }, (_, worker) => work(worker)))).flat();
    };
    return Object.assign(runTests, { version: `tests of ${version}` });
  },
});

const MEMBERS = ['common', 'fixtures', 'parallel'].map((name) => `*/test/${name}/*`);

const runTest = async (path, name, { places, worker, folder }) => {
  const [, flags = ''] = /^\/\/ Flags: (.*)$/m.exec(readFileSync(path, 'utf8')) ?? [];
  const args = ['--require', PRELOAD, ...flags.split(' ').filter((flag) => flag !== ''), path];
  const scratch = join(folder, 'scratch');
  mkdirSync(scratch, { recursive: true });
  const env = { NODE_TEST_DIR: scratch, TEST_THREAD_ID: `${worker}`, STEADYPORT_PLACES: textOf(places) };
  const { code, output } = await run([process.execPath, ...args], { env, limitMs: LIMIT_MS });
  const outcome = code === 0 ? (output.startsWith('1..0 # Skipped') ? 'skipped' : 'passed') : 'failed';
  return { name, outcome, output: code === null ? `${output}\nit was killed` : output };
};

export const NODE_SUITES = ['net', 'tls', 'http2'].map(ofModule);
