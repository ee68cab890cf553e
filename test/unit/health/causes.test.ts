import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import {
  describeCause,
  describeFailure,
  describeReason,
  explainCause,
} from '../../../src/health/cause-text.ts';
import type { Cause } from '../../../src/health/types.ts';

const SUBJECT = {
  name: 'tcp-proxy-6274',
  place: 'port 6274',
  upstream: 'localhost:6274',
  portOwner: null,
  sharesPort: false,
};

type Subject = Parameters<typeof explainCause>[1];

/** What is wrong, with what the check said, and what to do. */
const adviceFor = (
  cause: Cause,
  { detail = null, ...subject }: Subject & { readonly detail?: string | null },
): string => {
  const explanation = explainCause(cause, subject);
  return `${describeReason(explanation, detail) ?? ''}|${explanation.next}`;
};

/** What follows "Proxy for port 6274 ", what follows the failure's number, and what to do. */
const TEXTS: Readonly<Record<Cause, readonly [log: string, note: string, advice: RegExp]>> = {
  crashed: ['is not running', '', /bring it back.*npm run logs -- tcp-proxy-6274$/],
  crash_loop: [
    'crashes again and again',
    '',
    /another restart would not help.*npm run logs -- tcp-proxy-6274$/,
  ],
  cannot_start: ['cannot be started', '', /^PM2 cannot start it\|The monitor tries again.*npx pm2 logs PM2$/],
  stopped_by_signal: [
    'is not responding',
    ': the process is stopped (SIGSTOP, or a debugger)',
    /stopped by a signal\|The monitor kills it/,
  ],
  blocked_in_kernel: [
    'is not responding',
    ': the process waits for the kernel (state D)',
    /no signal ends that\|Look at the disk and at dmesg/,
  ],
  hung: ['is not responding', '', /\|The monitor kills it and restarts it$/],
  data_path_stuck: ['is not moving any bytes', '', /\|The monitor kills it and restarts it$/],
  not_listening: [
    'is not listening',
    '',
    /tries again every 2 s\. Its log says more: npm run logs -- tcp-proxy-6274$/,
  ],
  port_in_use: [
    'cannot listen: the port is in use',
    '',
    /^port 6274 is held by another process\|Stop that process, or listen elsewhere/,
  ],
  not_accepting: ['is not accepting connections', '', /asks it to listen anew, then restarts it/],
  no_control_socket: ['has no control socket', '', /makes the socket anew within seconds/],
  open_files_limit: ['is running out of open files', '', /ulimit -n.*"maxConnections"/],
  memory_limit: ['uses too much memory', '', /raise "limits" in the config/],
  cpu_limit: ['uses too much CPU', '', /raise "limits" in the config/],
  slow_responses: ['answers slowly', '', /raise "limits" in the config/],
  upstream_down: [
    'has no upstream: localhost:6274 does not answer',
    '',
    /Start the application, or correct "upstream"; the proxy is fine$/,
  ],
  upstream_unhealthy: [
    'has an upstream that is not well: localhost:6274 accepts, and does not answer as expected',
    '',
    /Look at the application, or correct "probe"; the proxy is fine$/,
  ],
  forwarding_broken: [
    'does not forward, though localhost:6274 answers',
    '',
    /^localhost:6274 answers, but not through the proxy/,
  ],
};
const CAUSES = Object.keys(TEXTS) as readonly Cause[];

describe('each cause has its text in the log, and an advice', () => {
  for (const cause of CAUSES)
    test(cause, () => {
      const [log, note, advice] = TEXTS[cause];
      assert.equal(describeCause(cause, SUBJECT), `Proxy for port 6274 ${log}`);
      assert.equal(describeFailure(cause, SUBJECT, 7), `Proxy for port 6274 ${log} (failure #7)${note}`);
      assert.match(adviceFor(cause, SUBJECT), advice);
    });
});

test("the old system's lines are there word for word", () => {
  const subject = { place: 'port 6277', upstream: 'localhost:6277' };
  assert.deepEqual(
    [describeFailure('hung', subject, 1), describeFailure('crashed', subject, 3)],
    ['Proxy for port 6277 is not responding (failure #1)', 'Proxy for port 6277 is not running (failure #3)'],
  );
});

describe('an advice', () => {
  const detail = 'said by a check';
  for (const cause of CAUSES)
    test(`on ${cause} has in it what the check said, or how the process ended`, () => {
      assert.ok(adviceFor(cause, { ...SUBJECT, detail }).includes(detail));
      assert.ok(!adviceFor(cause, SUBJECT).includes('null'));
    });

  test('reads well after a label such as "To do:", so that no word with a colon begins it', () => {
    for (const cause of CAUSES) {
      const { what, next } = explainCause(cause, SUBJECT);
      for (const text of [what ?? '', next]) assert.doesNotMatch(text, /^[\w ]{1,20}: /, cause);
    }
  });

  test('on an upstream that is away has the cure of EADDRINUSE only where the proxy has the same port', () => {
    const sharing = adviceFor('upstream_down', { ...SUBJECT, sharesPort: true });
    assert.match(
      sharing,
      /; the proxy is fine\. If it reports EADDRINUSE, .*localhost only, or stop this proxy first: npx pm2 stop tcp-proxy-6274$/,
    );
    assert.doesNotMatch(adviceFor('upstream_down', SUBJECT), /EADDRINUSE/);
  });

  test('promises no restart through PM2 while it restarts nothing', () => {
    for (const cause of CAUSES) {
      const advice = adviceFor(cause, { ...SUBJECT, supervisionCure: 'kill -CONT 4' });
      assert.doesNotMatch(advice, /(PM2|[Tt]he monitor)[^.|]* (restarts?|brings?) it/, cause);
    }
  });

  test('on addresses that the system refuses is what to do about them', () => {
    const advice = { ...SUBJECT, listenAdvice: 'Take another port' };
    assert.match(
      adviceFor('not_listening', advice),
      /\|Take another port\. The proxy tries again every 2 s$/,
    );
    assert.match(adviceFor('port_in_use', advice), /\|Stop that process.*\. Take another port$/);
  });

  test('on a port in use names the process that has it', () => {
    const advice = adviceFor('port_in_use', { ...SUBJECT, portOwner: 'pid 42 (vite)' });
    assert.match(advice, /^port 6274 is held by pid 42 \(vite\)\|/);
  });

  test('on a unix socket does not speak of a port', () => {
    for (const cause of CAUSES)
      assert.ok(!adviceFor(cause, { ...SUBJECT, place: 'the socket' }).includes('port 6274'), cause);
  });
});
