import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { openStage } from '../../support/programs/stage.ts';
import { loadWs, needsWs } from '../../support/programs/websocket.ts';
import { freePort } from '../../support/proxy/proxy-harness.ts';
import { needs, needsPeer, peerPath } from '../../support/requirements.ts';
import { until } from '../../support/until.ts';

const PAGE = '<!doctype html><title>Before</title><script type="module" src="/main.js"></script>';

/** The parts of the messages from Vite's server to its client in the browser that the test reads. */
interface HmrMessage {
  readonly type: 'connected' | 'update' | 'full-reload' | 'error';
  readonly updates?: readonly { readonly path: string; readonly timestamp: number }[];
}

test('Vite: an edit reaches the page by its WebSocket, as an update of a module or as a reload', {
  skip: needs(needsWs(), needsPeer('vite')),
}, async (t) => {
  const stage = openStage(t);
  const root = join(stage.folder, 'project');
  const edit = (name: string, text: string): void => writeFileSync(join(root, name), text);
  mkdirSync(root);
  edit('index.html', PAGE);
  edit('main.js', 'document.title = "one"; import.meta.hot.accept();');
  const port = await freePort();
  const where = ['--host', '127.0.0.1', '--port', `${port}`, '--strictPort'];
  await stage.serve(process.execPath, [peerPath('vite', 'bin/vite.js'), root, ...where], /ready in/);
  const proxy = await stage.proxy(port);

  const origin = `http://127.0.0.1:${proxy.port}`;
  const load = async (path: string): Promise<string> => {
    const answer = await fetch(`${origin}${path}`, { headers: { connection: 'close' } });
    assert.equal(answer.status, 200);
    return await answer.text();
  };
  assert.match(await load('/'), /<script type="module" src="\/@vite\/client">/);
  const [, token] = /wsToken = "([^"]+)"/.exec(await load('/@vite/client')) ?? [];
  assert.ok(token, 'without it Vite refuses the WebSocket of a page');
  assert.match(await load('/main.js'), /"one"/);

  const { WebSocket } = await loadWs();
  const hmr = new WebSocket(`ws://127.0.0.1:${proxy.port}/?token=${token}`, 'vite-hmr', { origin });
  t.after(() => hmr.terminate());
  const messages: HmrMessage[] = [];
  hmr.on('message', (message: Buffer) => messages.push(JSON.parse(String(message))));
  const heard = (type: HmrMessage['type']): HmrMessage | undefined =>
    messages.find((message) => message.type === type);
  await until(() => heard('connected') !== undefined, 'connected');

  // Vite does not announce when it starts to watch files: each edit is repeated until Vite reports it.
  const edited = async (name: string, text: string, type: HmrMessage['type']): Promise<void> => {
    const isReported = (): boolean => {
      edit(name, text);
      return heard(type) !== undefined;
    };
    await until(isReported, `Vite sends ${type}`);
  };
  await edited('main.js', 'document.title = "two"; import.meta.hot.accept();', 'update');
  const [update] = heard('update')?.updates ?? [];
  assert.equal(update?.path, '/main.js');
  assert.match(await load(`${update.path}?t=${update.timestamp}`), /"two"/);
  await edited('index.html', PAGE.replace('Before', 'After'), 'full-reload');
  assert.match(await load('/'), /<title>After/);

  const closed = once(hmr, 'close');
  hmr.close();
  await closed;
  const connections = await proxy.end();
  assert.deepEqual(new Set(connections.map(({ reason }) => reason)), new Set(['done']));
  assert.equal(connections.length, 6, 'five pages and the WebSocket');
});
