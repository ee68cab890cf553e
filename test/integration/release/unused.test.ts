import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdirSync, readdirSync, utimesSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { listReleaseUsers, removeUnusedReleases } from '../../../src/release/unused.ts';
import { HAS_PROCFS } from '../../../src/system/proc/procfs.ts';
import { needs } from '../../support/requirements.ts';
import { tempFolder } from '../../support/temp-dir.ts';

test('a release stays that a process runs from, that a text names, or that was taken of late', {
  skip: needs(HAS_PROCFS ? undefined : 'needs /proc (Linux)'),
}, async (t) => {
  const home = tempFolder();
  const releases = join(home, 'releases');
  const [runs, named, young, unused] = ['a', 'b', 'c', 'd'].map((digit) => digit.repeat(16)) as string[];
  const pidOfNobody = 2 ** 22 + 1;
  const draftOfDead = `${unused}.draft-${pidOfNobody}`;
  const draftOfThis = `${unused}.draft-${process.pid}`;
  for (const name of [runs, named, young, unused, draftOfDead, draftOfThis]) {
    mkdirSync(join(releases, `${name}`, 'dist'), { recursive: true });
    if (name !== young) utimesSync(join(releases, `${name}`), 0, 0);
  }
  const child = spawn('sleep', ['1000'], { cwd: join(releases, `${runs}`) });
  t.after(() => child.kill());
  await once(child, 'spawn');
  assert.deepEqual(listReleaseUsers(home), [child.pid]);
  removeUnusedReleases(home, [`"pm_cwd": "${releases}/${named}"`]);
  assert.deepEqual(readdirSync(releases), [runs, named, young, draftOfThis]);

  child.kill();
  await once(child, 'exit');
  removeUnusedReleases(home, [], 0);
  assert.deepEqual(readdirSync(releases), [draftOfThis]);
});
