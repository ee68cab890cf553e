import { runTool, stop } from '../lib/children.js';
import { median } from '../lib/median.js';
import { launchForwarder, startEcho } from '../lib/processes.js';
import { waitForByte } from '../load/echo-client.js';

export const startup = {
  key: 'startup',
  tools: [],
  rows: [
    { field: 'ms', title: 'from start to the first byte served', unit: 'ms', better: 'less' },
    { field: 'node', title: '`node -e 0`, from start to end', unit: 'ms', isAlone: true },
    { field: 'beyond', title: 'from start to the first byte, beyond `node -e 0`', unit: 'ms', isAlone: true },
  ],
  run: async (place) => {
    const upstream = await startEcho(place);
    const [own, node] = [[], []];
    while (own.length < place.sizes.starts) {
      const forwarder = await launchForwarder(upstream, place);
      own.push((await waitForByte(forwarder)) - forwarder.spawnedAt);
      await stop(forwarder);
      node.push(await nodeItself());
    }
    const ms = median(own);
    if (place.forwarder.role !== 'own') return { ms };
    return { ms, node: median(node), beyond: ms - median(node) };
  },
};

const nodeItself = async () => {
  const startedAt = performance.now();
  await runTool([process.execPath, '-e', '0']);
  return performance.now() - startedAt;
};
