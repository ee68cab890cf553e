import assert from 'node:assert/strict';
import { chmodSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, test } from 'node:test';
import { requireConfig } from '../../../src/config/load.ts';
import { acceptedFile, formatAccepted, readAccepted } from '../../../src/config/project/accepted.ts';
import { findDrift, readSourcesState } from '../../../src/config/project/drift.ts';
import type { AcceptedVariables } from '../../../src/config/settings.ts';
import { tempFolder } from '../../support/temp-dir.ts';

const PROXIES = [
  { listen: '6274', upstream: 'localhost:6274' },
  { listen: '6277', upstream: 'localhost:6277' },
];

const DISABLED = { listen: '6280', upstream: 'localhost:1', enabled: false };

/** A config that was accepted, with these variables in the environment of the start. */
const place = (given: AcceptedVariables = {}, dotEnv?: string, proxies: readonly object[] = PROXIES) => {
  const folder = tempFolder();
  const configPath = join(folder, 'steadyport.json');
  const stateDir = join(folder, 'home');
  mkdirSync(stateDir);
  const write = (content: string | object): void =>
    writeFileSync(configPath, typeof content === 'string' ? content : JSON.stringify(content));
  write({ proxies });
  if (dotEnv !== undefined) writeFileSync(join(folder, '.env'), dotEnv);
  const before = { ...process.env };
  Object.assign(process.env, given);
  const loaded = requireConfig(configPath);
  for (const name of Object.keys(given)) delete process.env[name];
  Object.assign(process.env, before);
  writeFileSync(acceptedFile(stateDir), formatAccepted(loaded, given, { kind: 'missing' }));
  const reading = readAccepted(stateDir);
  assert.ok(reading.kind === 'ok');
  const { accepted } = reading;
  const { settings } = loaded;
  return { folder, configPath, write, settings, find: () => findDrift(accepted, settings) };
};

describe('an edit that a start would not take for another config is none', () => {
  const texts = [
    JSON.stringify({ proxies: PROXIES }, null, 4),
    `// a comment\n${JSON.stringify({ proxies: PROXIES })}`,
    JSON.stringify({ monitor: { intervalMs: 1_000 }, proxies: PROXIES }),
    JSON.stringify({ proxies: PROXIES.map((proxy) => ({ ...proxy, optional: false })) }),
  ];
  for (const text of texts)
    test(text, () => {
      const { write, find } = place();
      write(text);
      assert.equal(find(), null);
    });
});

describe('an edit that was not applied is named with what differs', () => {
  const [first, second] = PROXIES;
  const table: readonly [content: object, differences: readonly string[]][] = [
    [{ proxies: [...PROXIES, { listen: '6280', upstream: 'localhost:1' }] }, ['port 6280 is new']],
    [{ proxies: [first] }, ['port 6277 would close: it is removed']],
    [{ proxies: [first, { ...second, enabled: false }] }, ['port 6277 would close: it is disabled']],
    [{ proxies: [first, { ...second, holdMs: 5 }] }, ['port 6277 differs']],
    [{ proxies: [second, first] }, ['the order differs']],
    [{ proxies: [...PROXIES, DISABLED] }, ['port 6280, which is disabled, is new']],
    [
      { proxies: PROXIES, host: 'other', monitor: { intervalMs: 999 }, alerts: { afterMs: 20_000 } },
      ['"host" differs', '"monitor" differs', '"alerts" differs'],
    ],
    [
      {
        proxies: Array.from({ length: 9 }, (_, at) => ({ listen: `${7000 + at}`, upstream: 'localhost:1' })),
      },
      [0, 1, 2, 3, 4].map((at) => `port ${7000 + at} is new`).concat('and 6 more'),
    ],
  ];
  for (const [content, differences] of table)
    test(JSON.stringify(content), () => {
      const { write, find } = place();
      write(content);
      const drift = find();
      assert.ok(drift?.kind === 'edited');
      assert.deepEqual([drift.file, drift.differences], ['steadyport.json', differences]);
      assert.ok(drift.editedAt !== null && drift.editedAt > drift.acceptedAt - 60_000);
    });
});

describe('so is an edit of a port that was disabled', () => {
  const table: readonly [proxies: readonly object[], differences: readonly string[]][] = [
    [[...PROXIES, { ...DISABLED, enabled: true }], ['port 6280 is enabled']],
    [PROXIES, ['port 6280, which is disabled, is removed']],
    [[...PROXIES, { ...DISABLED, holdMs: 5 }], ['port 6280, which is disabled, differs']],
    [[...PROXIES, DISABLED, { ...DISABLED, holdMs: 5 }], ['port 6280, which is disabled, differs']],
  ];
  for (const [proxies, differences] of table)
    test(JSON.stringify(proxies), () => {
      const { write, find } = place({}, undefined, [...PROXIES, DISABLED]);
      write({ proxies });
      const drift = find();
      assert.deepEqual(drift?.kind === 'edited' && drift.differences, differences);
    });
});

describe('a variable of the environment of the start alone is no difference', () => {
  const given = { PROXIES: '6281:localhost:6281', CHECK_INTERVAL_MS: '777', LOG_FORMAT: 'json' };
  test('where nothing was edited', () => assert.equal(place(given).find(), null));
  test('and an edit is found all the same', () => {
    const { write, find } = place({ CHECK_INTERVAL_MS: '777' });
    write({ proxies: PROXIES, monitor: { failureThreshold: 9 } });
    const drift = find();
    assert.deepEqual(drift?.kind === 'edited' && drift.differences, ['"monitor" differs']);
  });
});

describe('a variable of .env', () => {
  test('that is as it was is no difference', () =>
    assert.equal(place({}, 'CHECK_INTERVAL_MS=700\nLOG_FORMAT=json\n').find(), null));
  test('that has changed is one, and so is the form of the log', () => {
    const { folder, find } = place({}, 'CHECK_INTERVAL_MS=700\n');
    writeFileSync(
      join(folder, '.env'),
      'CHECK_INTERVAL_MS=701\nLOG_FORMAT=json\nWEBHOOK_URL=https://x.example\n',
    );
    const drift = find();
    assert.ok(drift?.kind === 'edited');
    assert.deepEqual([drift.file, drift.differences], ['.env', ['"monitor" differs', 'LOG_FORMAT differs']]);
  });
});

describe('a config that no start would take', () => {
  const table: readonly [name: string, file: string, breakIt: (path: string) => void, isThere: boolean][] = [
    ['a typo', 'steadyport.json', (path) => writeFileSync(path, '{"proxies": ['), true],
    ['an unknown key', 'steadyport.json', (path) => writeFileSync(path, '{"proxys": []}'), true],
    ['no file', 'steadyport.json', (path) => rmSync(path), false],
    ['no folder', 'steadyport.json', (path) => rmSync(dirname(path), { recursive: true }), false],
    ['a folder for .env', '.env', (path) => void mkdirSync(join(dirname(path), '.env')), true],
  ];
  for (const [name, file, breakIt, isThere] of table)
    test(name, () => {
      const { configPath, find } = place();
      breakIt(configPath);
      const drift = find();
      assert.ok(drift && drift.kind !== 'edited');
      assert.equal(drift.kind, isThere ? 'broken' : 'missing');
      assert.deepEqual([drift.file, drift.editedAt !== null], [file, isThere]);
      assert.equal(drift.path, join(dirname(configPath), file));
      assert.ok(drift.error.message.includes(file));
    });
});

test('the state of the sources changes with each write to one of them, and is had in any case', async () => {
  const { folder, configPath, write, settings } = place();
  const states = [await readSourcesState(settings)];
  for (const act of [
    () => write({ proxies: [] }),
    () => writeFileSync(join(folder, '.env'), 'A=1'),
    () => chmodSync(configPath, 0o600),
    () => rmSync(folder, { recursive: true }),
  ]) {
    act();
    states.push(await readSourcesState(settings));
  }
  assert.equal(new Set(states).size, states.length);
});
