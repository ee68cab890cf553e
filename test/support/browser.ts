import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Browser, chromium } from 'playwright-core';
import type { Host } from './network-namespace.ts';

export type { Browser };
/** Debian's; Playwright brings none of its own. */
export const CHROMIUM = '/usr/bin/chromium';

/** As root, and silent towards the network: no background requests. Playwright makes a fresh profile. */
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
 * Chromium in `host`'s network. Playwright itself stays outside of it: it talks to Chromium by a pipe.
 * @param folder takes the script that Playwright starts in Chromium's place
 */
export const launchChromium = (host: Host, folder: string): Promise<Browser> => {
  const executablePath = join(folder, 'chromium');
  writeFileSync(executablePath, `#!/bin/sh\nexec ip netns exec ${host.name} ${CHROMIUM} "$@"\n`, {
    mode: 0o755,
  });
  return chromium.launch({ executablePath, args: FLAGS });
};
