import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { ECOSYSTEM, type Pm2Sandbox } from './pm2-sandbox.ts';

/** Writes an ecosystem file of the project's apps, whose main threads block for good at SIGUSR2. @returns its path */
export const blockable = ({ folder }: Pm2Sandbox): string => {
  const block = join(folder, 'block.cjs');
  const file = join(folder, 'blockable.config.cjs');
  const wait = 'Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0)';
  writeFileSync(block, `process.on('SIGUSR2', () => ${wait});`);
  writeFileSync(
    file,
    `const { apps } = require(${JSON.stringify(ECOSYSTEM)});
     module.exports = { apps: apps.map((app) => ({ ...app, node_args: ['--require', ${JSON.stringify(block)}] })) };`,
  );
  return file;
};
