import assert from 'node:assert/strict';
import { test } from 'node:test';
import { npmCommand, pm2Command, prefixCommands } from '../../../src/lib/command-lines.ts';

test('a command is one that a shell in the folder of the project knows', () => {
  assert.equal(npmCommand('status'), 'npm run status');
  assert.equal(npmCommand('logs', '6274', '-f'), 'npm run logs -- 6274 -f');
  assert.equal(pm2Command('restart', 'proxy-monitor'), 'npx pm2 restart proxy-monitor');
});

test('a prefix comes before every command in a text, also before one that is wrapped', () => {
  const table: readonly [text: string, expected: string][] = [
    ['it does not run: npm start', 'it does not run: RUN start'],
    ['See: npm run logs -- tcp-proxy-6274', 'See: RUN logs tcp-proxy-6274'],
    ['npm run status; and: npm run logs -- 6274 -f', 'RUN status; and: RUN logs 6274 -f'],
    ['start it with: npx pm2 start tcp-proxy-6274', 'start it with: RUN pm2 start tcp-proxy-6274'],
    [
      'why it died: npm run\n      logs -- 6274, or npx\n pm2 kill',
      'why it died: RUN logs 6274, or RUN\n pm2 kill',
    ],
    ['npm run demo -- status', 'npm run demo -- status'],
  ];
  for (const [text, expected] of table) assert.equal(prefixCommands(text, 'RUN'), expected);
});
