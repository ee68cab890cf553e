import assert from 'node:assert/strict';
import { fork } from 'node:child_process';
import { once } from 'node:events';
import { describe, test } from 'node:test';
import { fileURLToPath } from 'node:url';
import type { Address } from '../../../../src/lib/address.ts';
import { compiled } from '../../../support/compiled.ts';
import { dial, ending, forEachEngine, readBytes, serve } from '../../../support/proxy/proxy-harness.ts';

const CLIENTS = 28;
/**
 * How the peers of a process see their connections end when it is killed. Node.js has no SO_LINGER, so the kernel ends those
 * of the portable engine in an orderly way (docs/configuration.md).
 */
const ENDING_OF: Readonly<Record<string, string>> = { kernel: 'ECONNRESET', portable: 'FIN' };

/** What the peers of an engine see when its process is killed. */
forEachEngine((name) =>
  describe(`SIGKILL for the ${name} engine`, () => {
    test('is a reset for both sides of its connections, or an end where the engine cannot set that', async (t) => {
      const endings: Promise<string>[] = [];
      const upstream = await serve(t, (socket) => {
        socket.write(Buffer.alloc(49_000));
        endings.push(ending(socket));
      });
      const script = fileURLToPath(compiled('test/support/fake-kernel/programs/engine-process.ts'));
      const child = fork(script, [String(upstream.port), name], {
        stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
      });
      t.after(() => child.kill('SIGKILL'));
      const [{ address }] = (await once(child, 'message')) as [{ readonly address: Address }];
      const clients = Array.from({ length: CLIENTS }, () => dial(t, address));
      await Promise.all(clients.map((client) => readBytes(client, 49_000)));
      endings.push(...clients.map(ending));
      child.kill('SIGKILL');
      assert.equal(endings.length, 2 * CLIENTS);
      assert.deepEqual([...new Set(await Promise.all(endings))], [ENDING_OF[name]]);
    });
  }),
);
