import { createReadStream, createWriteStream, renameSync, statSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { createGzip, constants as zlib } from 'node:zlib';
import { filesIn, remove } from '../system/files.ts';

/**
 * Renames the log, if it has grown past the limit; whoever writes it goes on in the renamed file until it opens the name
 * anew. The new name is that of logrotate's `dateext` with `dateformat -%Y%m%d-%s` (logrotate/steadyport), so that either
 * counts the other's files as its own, whichever of them is first.
 * @returns whether it was renamed
 * @throws the system's error, but not ENOENT
 */
export const rotateLarge = (path: string, maxBytes: number, now: Date): boolean => {
  const file = statSync(path, { throwIfNoEntry: false });
  if (!file?.isFile() || file.size <= maxBytes) return false;
  const name = `${path}-${dateOf(now)}-${Math.floor(now.getTime() / 1_000)}`;
  if ([name, `${name}.gz`].some((taken) => statSync(taken, { throwIfNoEntry: false }))) return false;
  try {
    renameSync(path, name);
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return false;
    throw error;
  }
};

/** "20261127", as strftime(3) has %Y%m%d. */
const dateOf = (now: Date): string =>
  [now.getFullYear(), now.getMonth() + 1, now.getDate()]
    .map((part) => String(part).padStart(2, '0'))
    .join('');

/**
 * Removes what is more than `keep` of a log's rotated files, the oldest first, and compresses the others, all but the
 * newest: that one may still be written.
 */
export const tidy = async (path: string, keep: number): Promise<void> => {
  const rotated = rotatedOf(path);
  for (const old of rotated.slice(0, Math.max(0, rotated.length - keep)))
    for (const path of [old, draftOf(old)]) remove(path);
  for (const one of rotated.slice(-keep, -1)) if (!one.endsWith('.gz')) await compress(one);
};

/** The oldest first. */
export const rotatedOf = (path: string): readonly string[] => {
  const own = `${basename(path)}-`;
  const secondOf = (name: string): number => Number(/^\d{8}-(\d+)(\.gz)?$/.exec(name.slice(own.length))?.[1]);
  return filesIn(dirname(path))
    .filter((name) => name.startsWith(own) && secondOf(name) >= 0)
    .sort((a, b) => secondOf(a) - secondOf(b))
    .map((name) => join(dirname(path), name));
};

const BLOCK_BYTES = 262_144;
/** After each block a pause so many times as long as it took: at most a tenth of a core, however much there is to do. */
const PAUSE = 9;

const draftOf = (path: string): string => `${path}.gz.part`;

/** Under another name until it is whole; a draft that a killed process has left is written over. */
const compress = async (path: string): Promise<void> => {
  const draft = draftOf(path);
  const gzip = createGzip({ level: zlib.Z_BEST_SPEED });
  const out = gzip.pipe(createWriteStream(draft, { mode: 0o600 }));
  const written = new Promise<void>((done, fail) => {
    gzip.once('error', fail);
    out.once('error', fail).once('finish', done);
  });
  // A full disk is told of by the loop or below, whichever is first.
  written.catch(() => {});
  try {
    for await (const block of createReadStream(path, { highWaterMark: BLOCK_BYTES })) {
      const from = performance.now();
      await Promise.race([new Promise((done) => gzip.write(block, done)), written]);
      await sleep((performance.now() - from) * PAUSE);
    }
    gzip.end();
    await written;
    renameSync(draft, `${path}.gz`);
    remove(path);
  } catch (error) {
    gzip.destroy();
    out.destroy();
    remove(draft);
    // logrotate has compressed it meanwhile.
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
};
