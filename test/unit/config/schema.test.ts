import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { parseConfig } from '../../../src/config/config.ts';
import { alertsSchema, configSchema, monitorSchema, proxySchema } from '../../../src/config/schema.ts';
import { probeSchema } from '../../../src/kinds/probes/registry.ts';

/** The generated schema, in the project's root, where tests run. test/meta/generated.test.ts proves that it is up to date. */
const PATH = 'steadyport.schema.json';

interface JsonSchema {
  readonly $schema?: string;
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly required?: readonly string[];
  readonly additionalProperties?: boolean;
  readonly properties?: Readonly<Record<string, JsonSchema>>;
  readonly items?: JsonSchema;
  readonly anyOf?: readonly JsonSchema[];
  readonly oneOf?: readonly JsonSchema[];
}

const root = JSON.parse(readFileSync(PATH, 'utf8')) as JsonSchema;
const proxy = root.properties?.['proxies']?.items;
const monitor = root.properties?.['monitor'];
const alerts = root.properties?.['alerts'];

test('editors are told every key, and that there are no others', () => {
  assert.equal(root.$schema, 'http://json-schema.org/draft-07/schema#');
  const objects = [
    [root, configSchema.entries],
    [proxy, proxySchema.entries],
    [monitor, monitorSchema.entries],
    [alerts, alertsSchema.entries],
  ] as const;
  for (const [described, entries] of objects) {
    assert.deepEqual(Object.keys(described?.properties ?? {}), Object.keys(entries));
    assert.equal(described?.additionalProperties, false);
  }
  const probes = proxy?.properties?.['probe'];
  assert.equal((probes?.anyOf ?? probes?.oneOf)?.length, probeSchema.options.length);
});

test('editors are told what is written, not what becomes of it', () => {
  assert.deepEqual(proxy?.required, ['listen', 'upstream']);
  for (const key of ['listen', 'upstream']) assert.equal(proxy?.properties?.[key]?.type, 'string');
  assert.deepEqual(proxy?.properties?.['allow']?.default, ['loopback', 'private']);
  assert.equal(monitor?.properties?.['http']?.default, '127.0.0.1:6270');
  assert.equal(monitor?.properties?.['intervalMs']?.default, 1_000);
});

test('each key of a proxy, of the monitor and of the alerts has a description', () => {
  for (const described of [proxy, monitor, alerts])
    for (const [key, { description }] of Object.entries(described?.properties ?? {}))
      assert.ok(description, key);
});

test('the steadyport.json that comes with the project is valid and names its schema', () => {
  const file = JSON.parse(readFileSync('steadyport.json', 'utf8')) as { $schema?: string };
  assert.equal(file.$schema, `./${PATH}`);
  const result = parseConfig(file);
  assert.ok(result.ok);
  assert.deepEqual(
    result.config.proxies.map(({ id }) => id),
    ['6274', '6277'],
  );
});
