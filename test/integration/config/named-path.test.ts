import assert from 'node:assert/strict';
import { mkdirSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { type NamedPathQuery, namedPathOf } from '../../../src/config/project/named-path.ts';
import { tempFolder } from '../../support/temp-dir.ts';

const root = tempFolder();
const release = join(root, 'releases/1');
const current = join(root, 'current');
mkdirSync(join(release, 'dist'), { recursive: true });
symlinkSync(release, current);
const DEFAULT = join(release, 'steadyport.json');

const table: readonly [name: string, query: Partial<NamedPathQuery>, expected: string][] = [
  ['by the shell, in a folder of a link', { cwd: release, pwd: current }, join(current, 'steadyport.json')],
  [
    'by the shell, below a folder of a link',
    { cwd: join(release, 'dist'), pwd: join(current, 'dist') },
    join(current, 'steadyport.json'),
  ],
  ['without a link', { cwd: release, pwd: release }, DEFAULT],
  ['by a shell that was elsewhere', { cwd: release, pwd: root }, DEFAULT],
  ['by the program', { hints: [join(current, 'dist/cli.js')] }, join(current, 'steadyport.json')],
  [
    'by an argument of PM2',
    { hints: ['/usr/bin/pm2', 'start', 'current/ecosystem.config.js'] },
    join(current, 'steadyport.json'),
  ],
  ['by nothing', { hints: ['/usr/bin/pm2', 'resurrect'] }, DEFAULT],
  [
    'as it was given, relative to the folder of a link',
    { given: 'other.json', cwd: release, pwd: current },
    join(current, 'other.json'),
  ],
  [
    'as it was given, whatever the program is',
    { given: '/etc/other.json', hints: [join(current, 'dist/cli.js')] },
    '/etc/other.json',
  ],
];
for (const [name, query, expected] of table)
  test(`the config is named ${name}`, () =>
    assert.equal(
      namedPathOf({
        given: undefined,
        defaultConfigPath: DEFAULT,
        cwd: root,
        pwd: undefined,
        hints: [],
        ...query,
      }),
      expected,
    ));
