import { setTimeout as sleep } from 'node:timers/promises';
import { openFilesByKind } from './proc.js';

const CHECK_EVERY_MS = 100;

/**
 * Waits until a forwarder has no more open files of any kind than before, `limitMs` at most.
 * @returns the open files by kind, and how long it took in ms
 */
export const waitForFiles = (forwarder, before, limitMs) =>
  watchFiles(forwarder, (files) => moreFiles(before, files).length === 0, limitMs);

/** Waits until a forwarder has this many sockets, `limitMs` at most. @returns as waitForFiles does */
export const waitForSockets = (forwarder, count, limitMs) =>
  watchFiles(forwarder, ({ sockets }) => sockets >= count, limitMs);

const watchFiles = async (forwarder, isDone, limitMs) => {
  const startedAt = performance.now();
  for (;;) {
    const files = openFilesByKind(forwarder);
    const tookMs = performance.now() - startedAt;
    if (isDone(files) || tookMs > limitMs) return { files, tookMs };
    await sleep(CHECK_EVERY_MS);
  }
};

/** @returns for example ["3 more sockets"]; nothing when there are no more of any kind */
export const moreFiles = (before, after) =>
  Object.keys(before)
    .filter((kind) => after[kind] > before[kind])
    .map((kind) => `${after[kind] - before[kind]} more ${kind}`);
