import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import type { Pm2View } from '../../../src/pm2/client.ts';
import type { UnreachableDaemon } from '../../../src/pm2/daemon.ts';
import { createSupervision } from '../../../src/pm2/supervision.ts';

const NAME = 'tcp-proxy-6274';
const APP = { pid: 100, status: 'online', statusText: 'online', env: {} } as const;
const WELL: Pm2View = { ok: true, daemonPid: 4, apps: new Map([[NAME, APP]]) };
const DEAD: Pm2View = { ok: false, problem: 'the PM2 daemon is not running' };
const UNKNOWN: Pm2View = { ok: false, problem: 'PM2 cannot be asked (EACCES)' };
const unreachable = (fault: UnreachableDaemon['fault'], pid: number | null = 4): Pm2View => ({
  ok: false,
  problem: 'PM2 did not answer within 2000 ms',
  unreachable: { pid, fault },
});

const watch = () => {
  let now = 0;
  const lines: string[] = [];
  const supervision = createSupervision(
    [NAME],
    (event, text) => lines.push(`${event} ${text}`),
    () => {},
    () => now,
  );
  return {
    lines,
    /** Shows this view until then, once a second. @returns the kinds of the problems there are then */
    see: (view: Pm2View, until: number): readonly string[] => {
      for (; now < until; now += 1_000) supervision.observe(view);
      return Object.entries(supervision.problems()).flatMap(([kind, text]) => (text ? [kind] : []));
    },
    text: () => supervision.problems().pm2_hangs,
  };
};

describe('a PM2 that does not answer', () => {
  test('may be busy for 15 s, and hangs after that, until it answers', () => {
    const { see, text, lines } = watch();
    see(WELL, 1_000);
    assert.deepEqual(see(unreachable('silent'), 16_000), []);
    assert.deepEqual(see(unreachable('silent'), 18_000), ['pm2_hangs']);
    assert.deepEqual(text(), {
      reason:
        'PM2 did not answer within 2000 ms; its daemon (pid 4) hangs, and nothing brings back what dies',
      nextStep: 'kill -9 4 and then npm start; what runs goes on serving until its successor takes over',
    });
    assert.deepEqual(see(UNKNOWN, 20_000), ['pm2_hangs']);
    assert.deepEqual(see(WELL, 21_000), []);
    assert.equal(lines.length, 2);
    assert.match(lines[0] ?? '', /^supervision_lost 🚨 ALERT: PM2 hangs: PM2 did not answer/);
    assert.match(lines[1] ?? '', /^supervision_recovered /);
  });

  test('hangs after 5 s when a signal has stopped it', () => {
    const { see, text } = watch();
    assert.deepEqual(see(unreachable('stopped'), 5_000), []);
    assert.deepEqual(see(unreachable('stopped'), 7_000), ['pm2_hangs']);
    assert.match(text()?.nextStep ?? '', /^kill -CONT 4, or kill -9 4 and then npm start/);
  });

  test('hangs, too, when its pid is unknown', () => {
    const { see, text } = watch();
    assert.deepEqual(see(unreachable('silent', null), 17_000), ['pm2_hangs']);
    assert.match(text()?.reason ?? '', /its daemon \(pid unknown\) hangs/);
  });
});

test('the silence before the end of a daemon does not count for its successor, which may be a moment away', () => {
  const { see } = watch();
  see(unreachable('silent'), 10_000);
  assert.deepEqual(see(DEAD, 14_000), []);
  assert.deepEqual(see(WELL, 15_000), []);
});

test('a daemon that hung and is killed then is lost at once', () => {
  const { see } = watch();
  see(unreachable('silent'), 20_000);
  assert.deepEqual(see(DEAD, 21_000), ['pm2_lost']);
});

test('a daemon without its socket is lost after 5 s', () => {
  assert.deepEqual(watch().see(unreachable('cut_off'), 7_000), ['pm2_lost']);
});
