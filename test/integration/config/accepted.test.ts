import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { loadConfig, requireConfig } from '../../../src/config/load.ts';
import {
  ACCEPTED_VERSION,
  type AcceptedConfig,
  acceptedFile,
  readAccepted,
} from '../../../src/config/project/accepted.ts';
import { checksum } from '../../../src/config/project/checksum.ts';
import { projectOf } from '../../../src/config/project/identity.ts';
import { isRecord } from '../../../src/lib/stored-fields.ts';
import { UsageError } from '../../../src/lib/usage-error.ts';
import { acceptConfig } from '../../../src/system/project/accept-config.ts';
import { tempFolder } from '../../support/temp-dir.ts';

/** Something of every kind that a config can have. */
const FULL = {
  host: 'devbox',
  proxies: [
    {
      listen: '6274',
      upstream: 'localhost:6274',
      probe: { type: 'http', path: '/', status: 200, body: '<title>MCP Inspector</title>' },
      allow: ['10.0.0.0/8', 'fd00::/8', 'loopback'],
      alerts: { afterMs: 5 },
      limits: { memoryBytes: { warn: 1_000_000 } },
    },
    { listen: '[::1]:6275', upstream: '[fd00::2]:1', probe: { type: 'expect', send: 'a\r\n', expect: 'b' } },
    { listen: 'external:6276', upstream: 'db:5432', probe: { type: 'postgres' }, optional: true },
    { listen: 'unix:/run/app.sock', upstream: 'unix:/run/other.sock', drainMs: 0 },
  ],
  monitor: { http: false, allowedHosts: ['dev.example'] },
  alerts: { channels: { slack: { minSeverity: 'critical' } }, quietHours: { from: '22:00', to: '07:00' } },
};

const place = (config: object = FULL) => {
  const folder = tempFolder();
  const configPath = join(folder, 'steadyport.json');
  const stateDir = join(folder, 'home');
  writeFileSync(configPath, JSON.stringify(config));
  const load = () => {
    const { settings } = requireConfig(configPath);
    return loadConfig({ ...settings, home: stateDir, project: projectOf(stateDir, 'default') });
  };
  return { configPath, stateDir, load, path: acceptedFile(stateDir), accept: () => acceptConfig(load()) };
};

const requireAccepted = (stateDir: string): AcceptedConfig => {
  const reading = readAccepted(stateDir);
  assert.equal(reading.kind, 'ok', JSON.stringify(reading));
  return reading.kind === 'ok' ? reading.accepted : assert.fail();
};

test('what was accepted is read as it was, and by its owner alone', () => {
  const { stateDir, path, load, accept, configPath } = place();
  accept();
  const accepted = requireAccepted(stateDir);
  assert.deepEqual(accepted.config, load().config);
  assert.equal(accepted.configPath, configPath);
  assert.equal(statSync(path).mode & 0o777, 0o600);
  assert.deepEqual(readdirSync(stateDir), ['accepted.json']);
});

test('a host that nothing gives is the name that the machine has at that time', () => {
  const { stateDir, path, accept } = place({ ...FULL, host: undefined });
  accept();
  assert.equal(JSON.parse(readFileSync(path, 'utf8')).accepted.config.host, null);
  assert.equal(requireAccepted(stateDir).config.host, hostname());
});

test('what is accepted already is not written anew, and keeps its time where only the text is another', () => {
  const { stateDir, path, accept, configPath } = place();
  accept();
  const { ino } = statSync(path);
  const first = requireAccepted(stateDir);
  accept();
  assert.equal(statSync(path).ino, ino);
  writeFileSync(configPath, `// a comment\n${readFileSync(configPath, 'utf8')}`);
  accept();
  const second = requireAccepted(stateDir);
  assert.equal(second.acceptedAt, first.acceptedAt);
  assert.notEqual(second.textChecksum, first.textChecksum);
});

test('what cannot be written is an error that names the file, and what was accepted before stays', () => {
  const { stateDir, path, accept, configPath } = place();
  accept();
  const before = requireAccepted(stateDir);
  writeFileSync(configPath, JSON.stringify({ ...FULL, host: 'other' }));
  // A folder in the place of the draft, which not even root can write to.
  mkdirSync(`${path}.${process.pid}`);
  assert.throws(
    accept,
    (error) => error instanceof UsageError && error.message.startsWith(`${path} cannot be written`),
  );
  assert.deepEqual(requireAccepted(stateDir), before);
});

describe('a file that cannot be used is reported, and the next start replaces it', () => {
  const table: readonly [name: string, put: (path: string, text: string) => void, problem: RegExp][] = [
    ['cut off', (path, text) => writeFileSync(path, text.slice(0, -9)), /JSON/],
    ['empty', (path) => writeFileSync(path, ''), /JSON/],
    ['null', (path) => writeFileSync(path, 'null'), /its version is undefined: expected 1/],
    ['a list', (path) => writeFileSync(path, '[]'), /its version is undefined: expected 1/],
    [
      'of another version',
      (path, text) => writeFileSync(path, text.replace('"version":1', '"version":99')),
      /its version is 99: expected 1/,
    ],
    ['edited', (path, text) => writeFileSync(path, text.replace(':6274', ':6279')), /its checksum differs/],
    ['without content', (path) => writeFileSync(path, '{"version":1}'), /its checksum differs/],
    ['a folder', (path) => void mkdirSync(path), /no regular file/],
    ['a FIFO', (path) => void execFileSync('mkfifo', [path]), /no regular file/],
  ];
  for (const [name, put, problem] of table)
    test(name, () => {
      const source = place();
      source.accept();
      const { stateDir, path, accept } = place();
      mkdirSync(stateDir, { mode: 0o700 });
      put(path, readFileSync(source.path, 'utf8').replaceAll('localhost:6274', 'localhost:6274'));
      const reading = readAccepted(stateDir);
      assert.equal(reading.kind, 'unusable');
      assert.match(reading.kind === 'unusable' ? reading.problem : '', problem);
      assert.ok(reading.kind === 'unusable' && reading.problem.startsWith(`${path} cannot be used: `));
      accept();
      requireAccepted(stateDir);
    });
});

test('there is none before the first start', () => {
  assert.deepEqual(readAccepted(tempFolder()), { kind: 'missing' });
});

/** The keys of a JSON schema with the kinds of their values, without descriptions, limits and defaults. */
const shapeOf = (schema: unknown): unknown => {
  if (Array.isArray(schema)) return schema.map(shapeOf);
  if (!isRecord(schema)) return schema;
  const LEFT_OUT = ['description', 'default', 'minimum', 'maximum', 'pattern', 'title', '$schema'];
  const isNames = (key: string): boolean => key === 'properties';
  return Object.fromEntries(
    Object.entries(schema)
      .filter(([key]) => !LEFT_OUT.includes(key))
      .map(([key, value]) => [
        key,
        isNames(key) && isRecord(value)
          ? Object.fromEntries(Object.entries(value).map(([name, inner]) => [name, shapeOf(inner)]))
          : shapeOf(value),
      ]),
  );
};

test('a config of another shape has another version, since what runs trusts the file of its own version', () => {
  const schema = JSON.parse(readFileSync('steadyport.schema.json', 'utf8'));
  const derived = Object.keys(place().load().config.proxies[0] ?? {}).sort();
  assert.deepEqual(
    [ACCEPTED_VERSION, checksum(JSON.stringify([shapeOf(schema), derived]))],
    [1, 'c89084ad2b61bb1f'],
    'raise ACCEPTED_VERSION when the shape of Config has changed since the last release, and write both here',
  );
});
