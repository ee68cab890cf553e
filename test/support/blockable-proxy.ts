import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ECOSYSTEM, type Station } from './pm2-sandbox.ts';

/** The project's apps, whose main threads block for good at SIGUSR2. */
export const blockable = ({ folder }: Station): string => {
  const [block, file] = [join(folder, 'block.cjs'), join(folder, 'blockable.config.cjs')];
  const wait = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)';
  writeFileSync(block, `process.on('SIGUSR2', () => ${wait});`);
  writeFileSync(
    file,
    `const { apps } = require(${JSON.stringify(ECOSYSTEM)});
     module.exports = { apps: apps.map((app) => ({ ...app, node_args: ['--require', ${JSON.stringify(block)}] })) };`,
  );
  return file;
};
