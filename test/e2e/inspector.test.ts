import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type Browser, CHROMIUM, launchChromium } from '../support/containers/browser.ts';
import {
  type Container,
  createContainer,
  EVERYTHING,
  INSPECTOR,
} from '../support/containers/inspector-container.ts';
import {
  type InspectorPage,
  inspectorPage,
  SERVERS,
  type Transport,
} from '../support/containers/inspector-page.ts';
import { createHost, type Host } from '../support/containers/network-namespace.ts';
import { needs, needsPeer, needsProgram, needsRoot } from '../support/requirements.ts';

const skip = needs(
  needsRoot(),
  needsProgram('ip', 'iproute2'),
  needsProgram(CHROMIUM, 'chromium'),
  needsPeer(INSPECTOR),
  needsPeer(EVERYTHING),
);

describe('an Inspector on loopback in a container, used by Chromium outside', {
  skip,
  concurrency: true,
}, () => {
  const token = randomUUID();
  let folder = '';
  let outside: Host;
  let browser: Browser | undefined;

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), 'sp-e2e-'));
    process.on('exit', () => rmSync(folder, { recursive: true, force: true }));
    outside = createHost('out');
    browser = await launchChromium(outside, folder);
  });
  after(async () => {
    await browser?.close();
    outside?.remove();
  });

  /** Gives `use` a container of its own, and adds the output of its programs to an error. */
  const withContainer = async (
    subnet: number,
    use: (container: Container) => Promise<void>,
  ): Promise<void> => {
    const container = createContainer(outside, subnet, token, join(folder, `home${subnet}`));
    try {
      await use(container);
    } catch (cause) {
      const message = cause instanceof Error ? cause.message : String(cause);
      throw new Error(`${message}\n${container.output()}`, { cause });
    } finally {
      container.remove();
    }
  };

  const openPage = async (transport: Transport): Promise<InspectorPage> => {
    assert.ok(browser);
    const context = await browser.newContext();
    context.setDefaultTimeout(40_000);
    return inspectorPage(await context.newPage(), transport, token);
  };

  /** Uses both transports at once, a page each; then restarts the Inspector and loads each page again. */
  const useAndRestart = async (origins: readonly string[], restart: () => Promise<void>): Promise<void> => {
    const [first = '', ...others] = origins;
    const pages = await Promise.all(transports.map(openPage));
    await Promise.all(pages.map((page) => page.load(first).then(() => staysConnected(page))));
    await restart();
    for (const origin of [first, ...others]) {
      await Promise.all(pages.map((page) => page.load(origin).then(() => echoes(page, `after ${origin}`))));
    }
  };

  test('on 127.0.0.1, behind proxies started after it that listen on every other address', () =>
    withContainer(1, async (container) => {
      let inspector = container.startInspector('127.0.0.1');
      await container.inspectorListens('127.0.0.1');
      assert.equal(container.reachable(), false, 'without a proxy nothing is reachable from outside');
      await container.startProxies((port) => `${port}`);
      await useAndRestart([container.origins.ipv4, container.origins.ipv6], async () => {
        await inspector.stop();
        inspector = container.startInspector('127.0.0.1');
      });
    }));

  test('on ::1, behind proxies started before it that listen on 0.0.0.0', () =>
    withContainer(2, async (container) => {
      await container.startProxies((port) => `0.0.0.0:${port}`);
      let inspector = container.startInspector('::1');
      await useAndRestart([container.origins.ipv4], async () => {
        await inspector.stop();
        inspector = container.startInspector('::1');
      });
    }));
});

const transports = Object.keys(SERVERS) as Transport[];

const echoes = async (page: InspectorPage, message: string): Promise<void> => {
  await page.run('Echo Tool', { message });
  await page.result(`Echo: ${message}`).waitFor();
};

/** Calls tools for half a minute. The durations are arguments of the tools: server-everything keeps the time. */
const staysConnected = async (page: InspectorPage): Promise<void> => {
  const connectedAt = performance.now();
  await echoes(page, 'hello from outside');

  const finished = (seconds: number) => page.result(`Duration: ${seconds} seconds`);
  const operation = 'Trigger Long Running Operation Tool';
  await page.run(operation, { duration: '6', steps: '6' });
  await page.notifications('progress').first().waitFor();
  assert.equal(await finished(6).isVisible(), false, 'progress is shown before the result: it is streamed');
  await finished(6).waitFor();
  // The page drops the last notification when the result arrives in the same read.
  await page.notifications('progress').nth(4).waitFor();

  // For 25 s nothing is sent, neither on this call's stream nor on the permanent one.
  await page.run(operation, { duration: '25', steps: '1' });
  await finished(25).waitFor();
  assert.ok(performance.now() - connectedAt >= 25_000);

  // The server's own messages, one every 5 s, arrive on the stream that was silent until now.
  const before = await page.notifications('message').count();
  await page.run('Toggle Simulated Logging');
  await page
    .notifications('message')
    .nth(before + 1)
    .waitFor();
  await echoes(page, 'still here');
  assert.deepEqual(page.broken, []);
};
