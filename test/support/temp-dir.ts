import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after } from 'node:test';

/** Makes an empty folder that is removed after the test or the file that asked for it. */
export const tempFolder = (): string => {
  const folder = mkdtempSync(join(tmpdir(), 'sp-'));
  after(() => rmSync(folder, { recursive: true, force: true }));
  return folder;
};
