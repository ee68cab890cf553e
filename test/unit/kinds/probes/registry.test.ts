import assert from 'node:assert/strict';
import { test } from 'node:test';
import { safeParse } from 'valibot';
import { PROBES, type Probe, probeSchema, schemeOf } from '../../../../src/kinds/probes/registry.ts';

const parse = (probe: unknown): Probe => {
  const parsed = safeParse(probeSchema, probe);
  assert.ok(parsed.success, JSON.stringify(probe));
  return parsed.output;
};

test('the example of every kind is a config of that kind', () => {
  for (const [kind, { example }] of Object.entries(PROBES)) assert.equal(parse(example).type, kind);
});

test('a kind that does not exist is refused with the names of all that do', () => {
  const parsed = safeParse(probeSchema, { type: 'mysql' });
  assert.equal(parsed.issues?.[0].message, `one of: ${Object.keys(PROBES).join(', ')}`);
});

test('only a probe that opens a connection goes through the proxy', () => {
  for (const [kind, { touchesUpstream, isThroughProxy }] of Object.entries(PROBES))
    assert.ok(touchesUpstream || !isThroughProxy, kind);
});

test('the scheme of a URL is that of the kind, with TLS or without', () => {
  const table: [probe: object, scheme: string][] = [
    [{ type: 'listen' }, 'tcp'],
    [{ type: 'tcp' }, 'tcp'],
    [{ type: 'http' }, 'http'],
    [{ type: 'http', tls: true }, 'https'],
    [{ type: 'http', tls: 'verify' }, 'https'],
    [{ type: 'expect', expect: 'x', tls: true }, 'tcp'],
    [{ type: 'redis' }, 'redis'],
    [{ type: 'redis', tls: true }, 'rediss'],
    [{ type: 'postgres', tls: true }, 'postgresql'],
  ];
  for (const [probe, scheme] of table) assert.equal(schemeOf(parse(probe)), scheme);
});

test('a postgres probe takes names that PostgreSQL keeps whole', () => {
  const isTaken = (user: string): boolean => safeParse(probeSchema, { type: 'postgres', user }).success;
  for (const user of ['app', 'my user', 'ü'.repeat(31), 'x'.repeat(63)]) assert.ok(isTaken(user), user);
  for (const user of ['', 'a\0b', 'a\nb', 'ü'.repeat(32), 'x'.repeat(64)]) assert.ok(!isTaken(user), user);
  assert.deepEqual(parse({ type: 'postgres' }), { type: 'postgres', user: 'postgres', tls: false });
});
