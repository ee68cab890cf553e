import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { DOT_ENV_VARIABLES, misspeltVariables } from '../../../src/config/load-secrets.ts';

describe('a name in .env is taken for a variable that it is close to', () => {
  const table: readonly [name: string, meant: string][] = [
    ['SLACK_WEBHOK_URL', 'SLACK_WEBHOOK_URL'],
    ['slack_webhook_url', 'SLACK_WEBHOOK_URL'],
    ['TEAM_WEBHOOK_URL', 'TEAMS_WEBHOOK_URL'],
    ['MAIL_URL', 'EMAIL_URL'],
    ['HEARTBEATS_URL', 'HEARTBEAT_URL'],
    ['CHECK_INTERVAL', 'CHECK_INTERVAL_MS'],
    ['STEADYPORT_HOMES', 'STEADYPORT_HOME'],
    ['GENERIC_WEBHOOK_URL', 'WEBHOOK_URL'],
    ['GITLAB_WEBHOOK_URL', 'WEBHOOK_URL'],
  ];
  for (const [name, meant] of table)
    test(`${name} → ${meant}`, () => assert.deepEqual(misspeltVariables([name]), [{ name, meant }]));
});

test("other programs' variables are nobody's mistake, nor are those of steadyport", () => {
  const others = [
    'DATABASE_URL',
    'REDIS_URL',
    'API_URL',
    'LOG_LEVEL',
    'PORT',
    'NODE_ENV',
    'POLL_INTERVAL_MS',
  ];
  const environmentOnly = ['STEADYPORT_CONFIG', 'STEADYPORT_DEBUG', 'PM2_HOME'];
  assert.deepEqual(misspeltVariables([...others, ...environmentOnly, ...DOT_ENV_VARIABLES]), []);
});
