import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';
import { needs, needsProgram } from '../support/requirements.ts';

const RULES = readFileSync('observability/rules.yml', 'utf8');
const CASES = readdirSync('test/observability')
  .filter((name) => name.endsWith('.test.yml'))
  .map((name) => `test/observability/${name}`);

const promtool = needs(needsProgram('promtool', 'prometheus'));
const amtool = needs(needsProgram('amtool', 'prometheus-alertmanager'));

const passes = (program: string, ...args: readonly string[]): void => {
  const { status, stdout, stderr } = spawnSync(program, args, { encoding: 'utf8' });
  assert.equal(status, 0, `${stdout}${stderr}`);
};

test('promtool accepts the rules, their cases, and the config that loads them', { skip: promtool }, () => {
  passes('promtool', 'check', 'rules', 'observability/rules.yml');
  passes('promtool', 'check', 'config', 'observability/prometheus.yml');
  passes('promtool', 'test', 'rules', ...CASES);
});

test('amtool accepts the config of Alertmanager', { skip: amtool }, () =>
  passes('amtool', 'check-config', 'observability/alertmanager.yml'),
);

test('each alert has a case in which it fires, and one in which it does not', () => {
  const cases = CASES.map((path) => readFileSync(path, 'utf8')).join('');
  const expected = [
    ...cases.matchAll(/- expr: ALERTS\{(.*)\}\n.*\n +exp_samples:(.*)(?:\n +- labels: '(.*)')?/g),
  ];
  const alerts = [...RULES.matchAll(/- alert: (\w+)/g)].map(([, name = '']) => name);
  assert.ok(alerts.length > 10);
  for (const alert of alerts) {
    const fires = expected.some(([, , , labels]) => labels?.includes(`alertname="${alert}"`));
    const isQuiet = expected.some(([, query, samples]) => query?.includes(`"${alert}"`) && samples === ' []');
    assert.deepEqual([alert, fires, isQuiet], [alert, true, alert !== 'SteadyportWatchdog']);
  }
  for (const [, record = ''] of RULES.matchAll(/- record: (\S+)/g)) assert.ok(cases.includes(record), record);
});

test('each alert has a severity, and describes what, why and what to do', () => {
  for (const rule of RULES.split(/\n +- (?=alert: )/).slice(1)) {
    const name = /alert: (\w+)/.exec(rule)?.[1];
    assert.match(rule, /severity: (critical|warning|none)\n/, name);
    assert.match(rule, /summary: '.+'\n/, name);
    assert.match(rule, /What: .*\n +Why: [\s\S]*\n +What to do: /, name);
  }
});
