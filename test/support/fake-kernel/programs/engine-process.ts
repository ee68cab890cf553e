import { writeSync } from 'node:fs';
import { createKernelEngine } from '../../../../src/proxy/kernel/engine.ts';
import { createPortableEngine } from '../../../../src/proxy/portable/engine.ts';

/**
 * An engine in a process of its own, which ends in the way that its IPC channel names. Arguments: the upstream's port, and
 * the engine, by default the kernel engine.
 */
const port = Number(process.argv[2]);
const createEngine = process.argv[3] === 'portable' ? createPortableEngine : createKernelEngine;
const engine = await createEngine(
  {
    upstream: { host: '127.0.0.1', port },
    allow: ['loopback'],
    holdMs: 0,
    connectTimeoutMs: 5_000,
    idleTimeoutMs: 0,
    halfCloseTimeoutMs: 0,
    maxConnections: 0,
    maxHeld: 1,
  },
  {
    onEnd: () => {},
    onError: () => {},
    onDeath: (cause) =>
      process.send?.({ death: cause.message, why: (cause.cause as Error | undefined)?.message }),
  },
);

const address = await engine.listen({ host: '127.0.0.1', port: 0 });
const actions: Readonly<Record<string, () => void>> = {
  throw: () => {
    throw new Error('thrown on purpose');
  },
  reject: () => void Promise.reject(new Error('rejected on purpose')),
  exit: () => process.exit(3),
  ask: () => process.send?.({ dataPath: engine.dataPath() }),
  block: () => {
    writeSync(1, 'blocked\n');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 120_000);
    writeSync(1, 'not blocked any more\n');
  },
};
process.on('message', (action: string) => actions[action]?.());
process.send?.({ address });
