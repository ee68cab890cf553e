import assert from 'node:assert/strict';
import { copyFileSync, existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { steadyport } from '../../support/cli.ts';
import { tempFolder } from '../../support/temp-dir.ts';

/** One mistake a file: NN-name.json, its exact messages in NN-name.txt, and where there is one its .env in NN-name.env. */
const FIXTURES = join(process.cwd(), 'test/fixtures/broken');
const names = readdirSync(FIXTURES)
  .filter((file) => file.endsWith('.json'))
  .map((file) => file.replace(/\.json$/, ''));

describe('a broken config is refused with exit code 2 and its exact messages', { concurrency: 4 }, () => {
  const folder = tempFolder();

  for (const name of names)
    test(name.replaceAll('-', ' '), async () => {
      const place = join(folder, name);
      mkdirSync(place);
      copyFileSync(join(FIXTURES, `${name}.json`), join(place, 'steadyport.json'));
      const dotEnv = join(FIXTURES, `${name}.env`);
      if (existsSync(dotEnv)) copyFileSync(dotEnv, join(place, '.env'));

      const { code, stdout, stderr } = await steadyport(['check-config', join(place, 'steadyport.json')]);

      const [head, ...messages] = stderr.trimEnd().replaceAll(`${place}/`, '').split('\n');
      assert.equal(head, 'steadyport: steadyport.json');
      assert.deepEqual(
        messages.map((line) => line.replace(/^ {2}/, '')),
        readFileSync(join(FIXTURES, `${name}.txt`), 'utf8')
          .trimEnd()
          .split('\n'),
      );
      assert.deepEqual({ code, stdout }, { code: 2, stdout: '' });
    });
});

test('there are at least 25 broken configs', () => {
  assert.ok(names.length >= 25, `only ${names.length}`);
});
