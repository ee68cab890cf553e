import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import type { Host } from './network-namespace.ts';

export type { Browser };
/** Debian's path: playwright-core comes without a browser. */
export const CHROMIUM = '/usr/bin/chromium';

/** Chromium runs as root and makes no background requests. Playwright makes a fresh profile. */
const FLAGS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

/**
 * Starts Chromium in `host`'s network. Playwright itself stays outside: it talks to Chromium over a pipe.
 * @param folder where the script is written that Playwright starts instead of Chromium
 */
export const launchChromium = (host: Host, folder: string): Promise<Browser> => {
  const executablePath = join(folder, 'chromium');
  writeFileSync(executablePath, `#!/bin/sh\nexec ip netns exec ${host.name} ${CHROMIUM} "$@"\n`, {
    mode: 0o755,
  });
  return chromium.launch({ executablePath, args: FLAGS });
};
