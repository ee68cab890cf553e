import { runTool, stop } from '../lib/children.js';
import { median } from '../lib/median.js';
import { launchForwarder, startEcho } from '../lib/processes.js';
import { waitForByte } from '../load/echo-client.js';

export const startup = {
  key: 'startup',
  tools: [],
  rows: [
    { field: 'ms', title: 'from start to the first byte served', unit: 'ms', better: 'less' },
    { field: 'node', title: '`node -e 0`, from start to end', unit: 'ms', isUncompared: true },
    {
      field: 'beyond',
      title: 'from start to the first byte, beyond `node -e 0`',
      unit: 'ms',
      isUncompared: true,
    },
  ],
  run: async (context) => {
    const upstream = await startEcho(context);
    const own = [];
    const node = [];
    while (own.length < context.sizes.starts) {
      const forwarder = await launchForwarder(upstream, context);
      own.push((await waitForByte(forwarder)) - forwarder.spawnedAt);
      await stop(forwarder);
      node.push(await nodeItself());
    }
    const ms = median(own);
    if (context.forwarder.role !== 'own') return { ms };
    return { ms, node: median(node), beyond: ms - median(node) };
  },
};

const nodeItself = async () => {
  const startedAt = performance.now();
  await runTool([process.execPath, '-e', '0']);
  return performance.now() - startedAt;
};
