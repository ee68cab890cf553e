import { createReadStream, createWriteStream, renameSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createGzip, constants as zlib } from 'node:zlib';
import { listFiles, removeFile } from '../system/files.ts';

/**
 * Renames the log if it is larger than `maxBytes`. Its writer goes on in the renamed file until it opens the name again.
 * The new name is the one that logrotate gives by `dateext` with `dateformat -%Y%m%d-%s` (logrotate/steadyport), so that
 * logrotate and this function count each other's files as their own, whichever of them comes first.
 * @returns whether the log was renamed; false when the new name is taken
 * @throws the system's error, but not ENOENT
 */
export const rotateIfLarge = (path: string, maxBytes: number, now: Date): boolean => {
  const file = statSync(path, { throwIfNoEntry: false });
  if (!file?.isFile() || file.size <= maxBytes) return false;
  const rotatedPath = `${path}-${formatDate(now)}-${Math.floor(now.getTime() / 1_000)}`;
  if ([rotatedPath, `${rotatedPath}.gz`].some((candidate) => statSync(candidate, { throwIfNoEntry: false })))
    return false;
  try {
    renameSync(path, rotatedPath);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
};

/** "20261127": %Y%m%d of strftime(3). */
const formatDate = (now: Date): string =>
  [now.getFullYear(), now.getMonth() + 1, now.getDate()]
    .map((part) => String(part).padStart(2, '0'))
    .join('');

/**
 * Keeps the newest `maxFiles` rotated files of a log and removes the others. Compresses the kept ones but for the newest,
 * which may still be written.
 */
export const pruneRotated = async (path: string, maxFiles: number): Promise<void> => {
  const rotated = listRotated(path);
  for (const oldPath of rotated.slice(0, Math.max(0, rotated.length - maxFiles)))
    for (const file of [oldPath, tempPathOf(oldPath)]) removeFile(file);
  for (const rotatedPath of rotated.slice(-maxFiles, -1))
    if (!rotatedPath.endsWith('.gz')) await compress(rotatedPath);
};

/** The rotated files of a log, compressed or not, oldest first. */
export const listRotated = (path: string): readonly string[] => {
  const prefix = `${basename(path)}-`;
  const rotatedAtSeconds = (name: string): number =>
    Number(/^\d{8}-(\d+)(\.gz)?$/.exec(name.slice(prefix.length))?.[1]);
  return listFiles(dirname(path))
    .filter((name) => name.startsWith(prefix) && rotatedAtSeconds(name) >= 0)
    .sort((a, b) => rotatedAtSeconds(a) - rotatedAtSeconds(b))
    .map((name) => join(dirname(path), name));
};

const BLOCK_BYTES = 262_144;
/** The pause after each block, as a multiple of the block's time: compression takes at most a tenth of a core. */
const PAUSE_FACTOR = 9;

const tempPathOf = (path: string): string => `${path}.gz.part`;

/** Compresses into a temporary file, and renames it when it is complete. The draft of a killed process is overwritten. */
const compress = async (path: string): Promise<void> => {
  const tempPath = tempPathOf(path);
  const gzip = createGzip({ level: zlib.Z_BEST_SPEED });
  const output = gzip.pipe(createWriteStream(tempPath, { mode: 0o600 }));
  const written = new Promise<void>((resolve, reject) => {
    gzip.once('error', reject);
    output.once('error', reject).once('finish', resolve);
  });
  // A failure is thrown by the loop or by the `await` after it, whichever comes first.
  written.catch(() => {});
  try {
    for await (const block of createReadStream(path, { highWaterMark: BLOCK_BYTES })) {
      const startedAt = performance.now();
      await Promise.race([new Promise((resolve) => gzip.write(block, resolve)), written]);
      await sleep((performance.now() - startedAt) * PAUSE_FACTOR);
    }
    gzip.end();
    await written;
    renameSync(tempPath, `${path}.gz`);
    removeFile(path);
  } catch (error) {
    gzip.destroy();
    output.destroy();
    removeFile(tempPath);
    // ENOENT: logrotate has compressed the file meanwhile.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
};
