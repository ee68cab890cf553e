import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';

interface Lock {
  readonly packages: Readonly<Record<string, { readonly hasInstallScript?: boolean }>>;
}

const readJson = <T>(path: string): T => JSON.parse(readFileSync(path, 'utf8')) as T;

/** npm 11 warns of every script that "allowScripts" neither allows nor denies. Older versions run all of them. */
for (const folder of ['.', 'test/peers'])
  test(`package.json in ${folder} allows or denies the install script of each package that has one`, () => {
    const { packages } = readJson<Lock>(`${folder}/package-lock.json`);
    const { allowScripts = {} } = readJson<{ allowScripts?: object }>(`${folder}/package.json`);
    const scripted = Object.keys(packages)
      .filter((path) => packages[path]?.hasInstallScript)
      .map((path) => path.replace(/^.*node_modules\//, ''));
    assert.deepEqual(Object.keys(allowScripts).sort(), [...new Set(scripted)].sort());
  });
