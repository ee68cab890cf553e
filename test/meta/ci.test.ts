import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

/** Debian installs these on every machine. */
const ESSENTIAL = ['coreutils', 'mount', 'perl-base'];

const sources = ['unit', 'integration', 'e2e', 'observability', 'support'].flatMap((folder) =>
  readdirSync(`test/${folder}`, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => readFileSync(`test/${folder}/${path}`, 'utf8')),
);

test('.ci/run installs the Debian packages that the tests need, and no others', () => {
  const needed = sources.flatMap((text) =>
    [...text.matchAll(/needsProgram\([^)]*?\)?, '([\w-]+)'\)/g)].map(([, name]) => name ?? ''),
  );
  const installed = [...readFileSync('.ci/run', 'utf8').matchAll(/^packages\+?=\((.*)\)$/gm)].flatMap(
    ([, names]) => names?.split(' ') ?? [],
  );
  assert.ok(needed.length > 20, `only ${needed.length} were found`);
  assert.deepEqual(
    installed.toSorted(),
    [...new Set(needed)].filter((name) => !ESSENTIAL.includes(name)).toSorted(),
  );
});
