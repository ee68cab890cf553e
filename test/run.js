// `npm test [-- WORD …]`: compiles the tests and runs those whose path has one of the words (default: all).
// It runs two files at a time, since most of them wait for something. It passes file names to Node: Node 20 takes a
// folder and Node 24 a glob, and an unmatched glob exits with 0.
import { spawnSync } from 'node:child_process';
import { cpSync, readdirSync, rmSync } from 'node:fs';

const build = '.test-build';
rmSync(build, { recursive: true, force: true });
const compiled = spawnSync('npx', ['tsc', '-p', 'test'], { stdio: 'inherit' });
if (compiled.status !== 0) process.exit(compiled.status ?? 1);
cpSync('src/package.json', `${build}/package.json`);

const words = process.argv.slice(2);
const files = readdirSync(`${build}/test`, { recursive: true, encoding: 'utf8' })
  .filter(
    (name) => name.endsWith('.test.js') && (words.length === 0 || words.some((word) => name.includes(word))),
  )
  .map((name) => `${build}/test/${name}`)
  .sort();
if (files.length === 0) {
  console.error(`No test file${words.length > 0 ? ` has ${words.join(' or ')} in its path` : ''}.`);
  process.exit(1);
}
const { status } = spawnSync(process.execPath, ['--test', '--test-concurrency=2', ...files], {
  stdio: 'inherit',
});
process.exit(status ?? 1);
