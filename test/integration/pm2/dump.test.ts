import assert from 'node:assert/strict';
import {
  chmodSync,
  existsSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { removeSavedApps } from '../../../src/pm2/dump.ts';
import { tempFolder } from '../../support/temp-dir.ts';

const IDENTITY = { STEADYPORT_HOME: '/h', STEADYPORT_PROJECT: 'default' };
const OWNER = { appEnv: IDENTITY, configPath: '/c/steadyport.json' };
const own = (name: string, owner: object = {}): object => ({
  name,
  env: { ...IDENTITY, STEADYPORT_REVISION: 'r', ...owner },
});
const shop = { name: 'shop', env: IDENTITY };
/** As a version without projects has started it. */
const earlier = (name: string, configPath: string): object =>
  own(name, { STEADYPORT_PROJECT: undefined, STEADYPORT_CONFIG: configPath });
const OTHERS = [
  own('tcp-proxy-1', { STEADYPORT_PROJECT: 'work' }),
  own('tcp-proxy-3', { STEADYPORT_HOME: '/other' }),
];
const OTHER_CONFIG = {
  name: 'tcp-proxy-4',
  env: { STEADYPORT_HOME: '/h', STEADYPORT_REVISION: 'r', STEADYPORT_CONFIG: '/d' },
};
const nameless = { pm_exec_path: '/x' };

describe('the saved lists of PM2', () => {
  const table: readonly [name: string, before: readonly object[], after: readonly object[]][] = [
    ['lose the apps of this project', [own('tcp-proxy-1'), own('proxy-monitor')], []],
    [
      'lose those that an earlier version has started of this config',
      [earlier('tcp-proxy-1', '/c/steadyport.json')],
      [],
    ],
    ['keep those that it has started of another', [OTHER_CONFIG, own('tcp-proxy-2')], [OTHER_CONFIG]],
    ['keep those of another project, and of another home', [...OTHERS, own('tcp-proxy-2')], OTHERS],
    ['keep those of others, in their order', [shop, own('unix-proxy-a.sock'), nameless], [shop, nameless]],
    ['may be empty', [], []],
  ];
  for (const [name, before, after] of table)
    for (const list of ['dump.pm2', 'dump.pm2.bak'])
      test(`${name} (${list})`, () => {
        const folder = tempFolder();
        const path = join(folder, list);
        writeFileSync(path, JSON.stringify(before));
        chmodSync(path, 0o640);
        const { names, problems } = removeSavedApps(folder, OWNER);
        assert.deepEqual(JSON.parse(readFileSync(path, 'utf8')), after);
        assert.deepEqual([names.length, problems], [before.length - after.length, []]);
        assert.deepEqual([statSync(path).mode & 0o777, readdirSync(folder)], [0o640, [list]]);
      });

  test('may be missing', () => {
    const folder = tempFolder();
    assert.deepEqual(removeSavedApps(join(folder, 'none'), OWNER), { names: [], problems: [] });
    assert.equal(existsSync(join(folder, 'none')), false);
  });

  test('may be links', () => {
    const folder = tempFolder();
    writeFileSync(join(folder, 'real'), JSON.stringify([own('tcp-proxy-1'), shop]));
    symlinkSync('real', join(folder, 'dump.pm2'));
    assert.deepEqual(removeSavedApps(folder, OWNER).names, ['tcp-proxy-1']);
    assert.deepEqual(JSON.parse(readFileSync(join(folder, 'real'), 'utf8')), [shop]);
  });

  for (const [name, text, problem] of [
    ['no JSON', '[{', /^.*dump\.pm2 was left as it is: .*JSON/],
    ['no list', '{}', /expected a list of apps$/],
    ['no list of apps', '[null]', /was left as it is/],
  ] as const)
    test(`that are ${name} are left as they are`, () => {
      const folder = tempFolder();
      writeFileSync(join(folder, 'dump.pm2'), text);
      writeFileSync(join(folder, 'dump.pm2.bak'), JSON.stringify([own('tcp-proxy-1')]));
      const { names, problems } = removeSavedApps(folder, OWNER);
      assert.deepEqual([names, problems.length], [['tcp-proxy-1'], 1]);
      assert.match(problems[0] ?? '', problem);
      assert.equal(readFileSync(join(folder, 'dump.pm2'), 'utf8'), text);
    });
});
