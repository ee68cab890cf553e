import assert from 'node:assert/strict';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { parseConfig } from '../../../src/config/config.ts';
import { monitorAddressesFor, withMonitorAddress } from '../../../src/config/project/monitor-address.ts';
import { formatAddress } from '../../../src/lib/address.ts';
import { saveProjectRecord } from '../../../src/system/project/save-record.ts';
import { tempFolder } from '../../support/temp-dir.ts';

/** A config that names no address for its monitor. */
const configOf = (...ports: readonly number[]) => {
  const proxies = ports.map((port) => ({ listen: `${port}`, upstream: 'localhost:80' }));
  const result = parseConfig({ proxies }, {}, false);
  assert.ok(result.ok);
  assert.equal(result.namesMonitorAddress, false);
  return result.config;
};

/** A home with a project for each of these addresses: "a", "b" and so on. */
const homeOf = (...addresses: readonly (string | null)[]): string => {
  const home = tempFolder();
  for (const [index, http] of addresses.entries()) {
    const name = String.fromCharCode('a'.charCodeAt(0) + index);
    const stateDir = join(home, 'projects', name);
    mkdirSync(stateDir, { recursive: true });
    const record = { name, configPath: '/c', namedPath: '/c', pm2Home: '/p', http };
    assert.equal(saveProjectRecord(stateDir, record), null);
  }
  return home;
};

const firstFor = (home: string, name: string, ...ports: readonly number[]) => {
  const [first] = monitorAddressesFor(home, { name }, configOf(...ports));
  return first && [formatAddress(first.address), first.isRemembered];
};

test('the first project that needs an address gets the port after the default one', () =>
  assert.deepEqual(firstFor(homeOf(), 'a', 6274), ['127.0.0.1:6271', false]));

test('the next one gets what neither another project nor its own config has', () => {
  const home = homeOf('127.0.0.1:6271', null, '127.0.0.1:6273');
  assert.deepEqual(firstFor(home, 'new', 6272, 6274), ['127.0.0.1:6275', false]);
});

test('a project keeps the address that it has', () =>
  assert.deepEqual(firstFor(homeOf('127.0.0.1:6299'), 'a', 6274), ['127.0.0.1:6299', true]));

test('unless its own config has the port now', () =>
  assert.deepEqual(firstFor(homeOf('127.0.0.1:6299'), 'a', 6299), ['127.0.0.1:6271', false]));

test('the config that runs has the address', () => {
  const address = { host: '127.0.0.1', port: 6271 };
  assert.deepEqual(withMonitorAddress(configOf(6274), address).monitor.http, address);
});

test('a config that names an address is one that does', () => {
  for (const http of [false, '127.0.0.1:7000']) {
    const proxies = [{ listen: '6274', upstream: 'localhost:80' }];
    const result = parseConfig({ proxies, monitor: { http } }, {}, false);
    assert.ok(result.ok && result.namesMonitorAddress);
  }
});

test('a record that cannot be written is said, and is no exception', () =>
  assert.match(
    saveProjectRecord(join(tempFolder(), 'missing'), {
      name: 'a',
      configPath: '/c',
      namedPath: '/c',
      pm2Home: '/p',
      http: null,
    }) ?? '',
    /missing\/project\.json could not be written.*ENOENT/,
  ));
