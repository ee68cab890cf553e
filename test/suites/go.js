// Suites in Go. Those of servers start them by net/http/httptest, whose listener is replaced at build time (`go help build`, -overlay).
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { textOf } from './places.js';
import { run } from './run-program.js';

const LIMIT_MS = 15 * 60_000;
const OUTCOMES = { pass: 'passed', fail: 'failed', skip: 'skipped' };
const sources = (name) => fileURLToPath(new URL(`go/${name}`, import.meta.url));

/** Debian's packages of Go are found by GOPATH. No C compiler is needed. */
const goEnv = (folder) => ({
  ...process.env,
  GO111MODULE: 'off',
  GOPATH: '/usr/share/gocode',
  GOCACHE: join(folder, 'go-cache'),
  GOTOOLCHAIN: 'local',
  CGO_ENABLED: '0',
});

const go = (folder, ...args) => execFileSync('go', args, { env: goEnv(folder), encoding: 'utf8' }).trim();

/** A suite of the package `path`, whose servers are httptest's. */
const ofPackage = (name, path, debianPackage) => ({
  name,
  packages: ['golang-go', ...(debianPackage ? [debianPackage] : [])],
  places: { count: 8 },
  prepare: async (folder) => {
    const program = join(folder, 'suite.test');
    go(folder, 'test', '-c', '-vet=off', '-overlay', writeOverlay(folder), '-o', program, path);
    return runnerOf(program, go(folder, 'list', '-f', '{{.Dir}}', path), folder);
  },
});

const writeOverlay = (folder) => {
  const httptest = join(go(folder, 'env', 'GOROOT'), 'src/net/http/httptest');
  const text = readFileSync(join(httptest, 'server.go'), 'utf8');
  const renamed = text.replace('func newLocalListener() net.Listener {', 'func _() net.Listener {');
  if (renamed === text) throw new Error('net/http/httptest has no newLocalListener');
  const server = join(folder, 'server.go');
  writeFileSync(server, renamed);
  const overlay = join(folder, 'overlay.json');
  const replaced = {
    [join(httptest, 'server.go')]: server,
    [join(httptest, 'listener.go')]: sources('listener.go'),
  };
  writeFileSync(overlay, JSON.stringify({ Replace: replaced }));
  return overlay;
};

const nettest = (name, isUnix) => ({
  name,
  packages: ['golang-golang-x-net-dev', 'golang-go'],
  places: { count: 1, isUnix },
  prepare: async (folder) => {
    const source = join(folder, 'source');
    mkdirSync(source);
    cpSync(sources('nettest_test.go'), join(source, 'nettest_test.go'));
    const program = join(folder, 'suite.test');
    execFileSync('go', ['test', '-c', '-vet=off', '-o', program], { env: goEnv(folder), cwd: source });
    return runnerOf(program, folder, folder, ['-test.count=10']);
  },
});

/** Runs the tests one after another, since each takes places. A test's name is `Test…/part`. */
const runnerOf =
  (program, cwd, folder, args = []) =>
  async (places, only) => {
    const chosen = only ? [`-test.run=^(${[...new Set(only.map(topLevel))].join('|')})$`] : [];
    const flags = ['-test.v', '-test.short', '-test.parallel=1', '-test.timeout=12m', ...args, ...chosen];
    const env = { ...goEnv(folder), STEADYPORT_PLACES: textOf(places) };
    const command = ['go', 'tool', 'test2json', program, ...flags];
    return resultsOf((await run(command, { cwd, env, limitMs: LIMIT_MS })).output);
  };

const topLevel = (name) => name.replace(/[/ ].*/, '');

/** @param output the events of `go tool test2json`, a line each */
const resultsOf = (output) => {
  const printed = new Map();
  const results = [];
  for (const line of output.split('\n').filter((text) => text.startsWith('{'))) {
    const { Action: action, Test: name, Output: text } = JSON.parse(line);
    if (name === undefined) continue;
    if (action === 'run') printed.set(name, '');
    if (action === 'output') printed.set(name, printed.get(name) + text);
    if (action in OUTCOMES) results.push({ name, outcome: OUTCOMES[action], output: printed.get(name) });
  }
  return results;
};

export const GO_SUITES = [
  nettest('nettest.TestConn, TCP', false),
  nettest('nettest.TestConn, unix socket', true),
  ofPackage('Go net/http', 'net/http'),
  ofPackage('Go x/net/http2', 'golang.org/x/net/http2', 'golang-golang-x-net-dev'),
  ofPackage('Go x/net/websocket', 'golang.org/x/net/websocket', 'golang-golang-x-net-dev'),
  ofPackage('gorilla/websocket', 'github.com/gorilla/websocket', 'golang-github-gorilla-websocket-dev'),
];
