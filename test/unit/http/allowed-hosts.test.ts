import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isAllowedHost } from '../../../src/http/allowed-hosts.ts';

const NAMES = ['Box', 'steadyport.example.com.'];

const table: Readonly<Record<string, boolean>> = {
  localhost: true,
  'localhost:6270': true,
  'LocalHost.': true,
  'status.localhost:80': true,
  '127.0.0.1:6270': true,
  '192.0.2.7': true,
  '[::1]:6270': true,
  '[2001:db8::1]': true,
  'box:6270': true,
  'STEADYPORT.example.com': true,
  'steadyport.example.com.:443': true,
  'rebound.example': false,
  notlocalhost: false,
  'localhost.rebound.example': false,
  'steadyport.example.com.rebound.example': false,
  '127.0.0.1.rebound.example': false,
  '127.1': false,
  '0x7f000001': false,
  '2130706433': false,
  '[rebound.example]': false,
  'localhost@rebound.example': false,
  'localhost rebound.example': false,
  '::1': false,
  '': false,
};

for (const [header, expected] of Object.entries(table))
  test(`"${header}" ${expected ? 'is' : 'is not'} allowed`, () => {
    assert.equal(isAllowedHost(header, NAMES), expected);
  });
