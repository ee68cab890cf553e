import assert from 'node:assert/strict';
import { appendFileSync, mkdirSync, symlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { describe, test } from 'node:test';
import { findProject, type Project, type ProjectQuery } from '../../../src/config/project/project.ts';
import { projectRecordFile } from '../../../src/config/project/record.ts';
import { UsageError } from '../../../src/lib/usage-error.ts';
import { tempFolder } from '../../support/temp-dir.ts';

/** A folder with a home, and a config of this text in the folder of this name. */
const place = (folderName = 'app', text = '{}') => {
  const root = tempFolder();
  const home = join(root, 'home');
  const folder = join(root, folderName);
  mkdirSync(folder);
  const configPath = join(folder, 'steadyport.json');
  writeFileSync(configPath, text);
  const find = (query: Partial<ProjectQuery> = {}): Project =>
    findProject({
      home,
      configPath,
      namedPath: () => query.configPath ?? configPath,
      defaultConfigPath: join(root, 'checkout', 'steadyport.json'),
      override: undefined,
      readConfig: () => text,
      ...query,
    });
  return { root, home, configPath, find };
};

/** Writes what a start of the project writes. */
const record = (stateDir: string, configPath: string, namedPath = configPath): void => {
  mkdirSync(stateDir, { recursive: true });
  const content = { version: 1, name: basename(stateDir), configPath, namedPath, pm2Home: '/p', http: null };
  writeFileSync(projectRecordFile(stateDir), JSON.stringify(content));
};

describe('the name of a project', () => {
  const table: readonly [folder: string, text: string, override: string | undefined, name: string][] = [
    ['app', '{}', undefined, 'app'],
    ['Mein Büro', '{}', undefined, 'mein-buro'],
    ['..x_y..', '{}', undefined, 'x-y'],
    ['a'.repeat(40), '{}', undefined, 'a'.repeat(32)],
    ['app', '{"project": "work"}', undefined, 'work'],
    ['app', '// a comment\n{"project": "work",}', undefined, 'work'],
    ['app', '{"project": "work"}', 'play', 'play'],
    ['app', '{"project": "default"}', undefined, 'default'],
    // What is wrong with the config is said by those that read all of it.
    ['app', '{"project": ', undefined, 'app'],
    ['app', '[]', undefined, 'app'],
    ['app', '{"project": 5}', undefined, 'app'],
    ['app', '{"project": "A B"}', undefined, 'app'],
  ];
  for (const [folder, text, override, name] of table)
    test(`${folder} ${text} ${override ?? ''}`, () =>
      assert.equal(place(folder, text).find({ override }).name, name));

  for (const [source, text, override] of [
    ['STEADYPORT_PROJECT is "a b"', '{}', 'a b'],
    ['STEADYPORT_PROJECT is "../x"', '{}', '../x'],
  ] as const)
    test(`is refused: ${source}`, () =>
      assert.throws(
        () => place('app', text).find({ override }),
        (error) => error instanceof UsageError && error.message.includes(`${source}: expected a name of a-z`),
      ));

  for (const folder of ['日本', '...', 'default'])
    test(`has to be set where the folder gives none: ${folder}`, () =>
      assert.throws(
        () => place(folder).find(),
        (error) => error instanceof UsageError && error.message.includes('set "project" in it'),
      ));
});

test('a name is not asked for where there is no such file', () => {
  const { find } = place();
  assert.throws(
    () => find({ configPath: '/nope.json' }),
    (error) =>
      error instanceof UsageError && error.message.startsWith('/nope.json\n  expected a config file here'),
  );
});

test('the config beside ecosystem.config.js is the default one, by whatever link it is named', () => {
  const { root, home, configPath, find } = place();
  const expected = {
    name: 'default',
    namespace: 'steadyport',
    monitorApp: 'proxy-monitor',
    stateDir: home,
  };
  assert.deepEqual(find({ defaultConfigPath: configPath }), expected);
  symlinkSync(join(root, 'app'), join(root, 'current'));
  const linkedPath = join(root, 'current', 'steadyport.json');
  assert.deepEqual(find({ configPath: linkedPath, defaultConfigPath: configPath }), expected);
});

test('any other one has a namespace, a monitor and a state directory of its own', () => {
  const { home, find } = place();
  assert.deepEqual(find(), {
    name: 'app',
    namespace: 'steadyport-app',
    monitorApp: 'proxy-monitor-app',
    stateDir: join(home, 'projects', 'app'),
  });
});

describe('a config that was started before', () => {
  test('is the same project by another link to it', () => {
    const { root, home, configPath, find } = place();
    record(join(home, 'projects', 'first'), configPath);
    symlinkSync(join(root, 'app'), join(root, 'current'));
    assert.equal(find({ configPath: join(root, 'current', 'steadyport.json') }).name, 'first');
  });

  test('is the same project when the link has another target now', () => {
    const { root, home, find } = place();
    const linkedPath = join(root, 'current', 'steadyport.json');
    record(join(home, 'projects', 'first'), '/gone/steadyport.json', linkedPath);
    symlinkSync(join(root, 'app'), join(root, 'current'));
    assert.equal(find({ configPath: linkedPath }).name, 'first');
  });

  test('is the project that was started last, of two that were started from it', () => {
    const { home, configPath, find } = place();
    const folders = ['second', 'first'].map((name) => join(home, 'projects', name));
    for (const [index, folder] of folders.entries()) {
      record(folder, configPath);
      utimesSync(projectRecordFile(folder), 100 - index, 100 - index);
    }
    assert.equal(find().name, 'second');
  });

  for (const text of ['', '{', '[]', '{"name": 5}'])
    test(`is not found by a record that is none: ${text}`, () => {
      const { home, find } = place();
      const stateDir = join(home, 'projects', 'first');
      mkdirSync(stateDir, { recursive: true });
      writeFileSync(projectRecordFile(stateDir), text);
      assert.equal(find().name, 'app');
    });

  test('is not found by a record that is far too large, which each command would read', () => {
    const { home, configPath, find } = place();
    const stateDir = join(home, 'projects', 'first');
    record(stateDir, configPath);
    assert.equal(find().name, 'first');
    appendFileSync(projectRecordFile(stateDir), ' '.repeat(100_000));
    assert.equal(find().name, 'app');
  });
});
