import { appendFileSync, constants, mkdirSync, openSync } from 'node:fs';
import { type FileHandle, mkdir, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';
import { createEdgeLogger } from './edge-logger.ts';

export type FileSinkEvent = 'failed' | 'recovered' | 'lines_lost';

/** A log that this process writes into its own file. */
export interface FileSink {
  /** Takes one line, with its newline. It neither waits nor throws; the line is in the file after about BATCH_MS. */
  write(line: string): void;
  /** Settles when every line is written, or when one more write has failed. */
  close(): Promise<void>;
}

/** The lines of this time are written together. */
const BATCH_MS = 20;
/** The pause before a file that could not be written is tried again. */
const RETRY_MS = 1_000;
/** O_NONBLOCK: without it the open of a FIFO waits for a reader, for ever at the end of the process (open(2)). */
const APPEND = constants.O_WRONLY | constants.O_CREAT | constants.O_APPEND | constants.O_NONBLOCK;
/** The maximum that is kept in memory while the disk is full or hangs; further lines are lost. */
const MAX_PENDING_BYTES = 4_000_000;

/**
 * Opens a log file, which is made with its first line. The file may be renamed or removed at any time: before each write
 * the sink checks whether the file still has its name, and otherwise makes a new one (mode 0600, its folder 0700). Lines
 * are appended whole (O_APPEND, open(2)), so that two processes may write the same file. A line that a full disk has cut
 * is completed before the sink changes to another file.
 * @param onStatusChange `failed` once when the file cannot be written, `recovered` when it can be written again,
 * `lines_lost` when lines came faster than they could be written
 * @param retryMs default: RETRY_MS
 */
export const openFileSink = (
  path: string,
  onStatusChange: (event: FileSinkEvent, message: string) => void,
  retryMs = RETRY_MS,
): FileSink => {
  const file = createNamedFile(path);
  const buffer = createLineBuffer();
  let lostLines = 0;
  let lastWriteAt = Number.NEGATIVE_INFINITY;
  let timer: NodeJS.Timeout | undefined;
  let currentFlush = Promise.resolve();
  const status = createEdgeLogger({
    onFail: (problem) => onStatusChange('failed', `cannot write ${path}: ${problem}; trying again`),
    onRecover: () => onStatusChange('recovered', `${path} is written again; ${lostLines} lines were lost`),
  });
  const isFailing = (): boolean => status.problem() !== null;

  const flush = async (): Promise<void> => {
    lastWriteAt = performance.now();
    try {
      await buffer.writeTo(file);
      if (!isFailing() && lostLines > 0) onStatusChange('lines_lost', describeLostLines(path, lostLines));
      status.succeeded();
      lostLines = 0;
    } catch (error) {
      status.failed((error as Error).message);
    }
    timer = undefined;
    if (!buffer.isEmpty()) scheduleFlush();
  };
  const scheduleFlush = (): void => {
    const delayMs = lastWriteAt + (isFailing() ? retryMs : BATCH_MS) - performance.now();
    timer = setTimeout(() => {
      currentFlush = flush();
    }, delayMs);
  };

  const writeAtExit = (): void => appendAtExit(path, buffer.remaining());
  process.on('exit', writeAtExit);

  return {
    write: (line) => {
      if (!buffer.add(line)) lostLines += 1;
      if (timer === undefined) scheduleFlush();
    },
    close: async () => {
      clearTimeout(timer);
      await currentFlush;
      clearTimeout(timer);
      if (!buffer.isEmpty()) await flush();
      clearTimeout(timer);
      process.off('exit', writeAtExit);
      await file.close();
    },
  };
};

const describeLostLines = (path: string, lostLines: number): string =>
  `${lostLines} lines for ${path} were lost: they came faster than they were written`;

/** The lines that are not in the file yet. */
const createLineBuffer = () => {
  let pending = '';
  let unwritten: Uint8Array = Buffer.alloc(0);
  let isWriting = false;
  let hasPartialLine = false;
  return {
    /** @returns false when the buffer is full, and the line is lost */
    add: (line: string): boolean => {
      if (pending.length > MAX_PENDING_BYTES) return false;
      pending += line;
      return true;
    },
    isEmpty: (): boolean => pending === '' && unwritten.length === 0,
    /** Writes one batch: the rest of the last one if a write has failed, else all lines. */
    writeTo: async (file: NamedFile): Promise<void> => {
      await file.reopenIfReplaced(hasPartialLine);
      if (unwritten.length === 0) {
        unwritten = Buffer.from(pending);
        pending = '';
      }
      while (unwritten.length > 0) {
        isWriting = true;
        const bytesWritten = await file.append(unwritten).finally(() => {
          isWriting = false;
        });
        unwritten = unwritten.subarray(bytesWritten);
        hasPartialLine = unwritten.length > 0;
      }
    },
    /** The text that a process which exits at once must still write. Node.js itself waits for a write that has begun. */
    remaining: (): string => (isWriting ? pending : Buffer.from(unwritten).toString() + pending),
  };
};

type NamedFile = ReturnType<typeof createNamedFile>;

/** Opens the file that has the name at the moment, and appends to it. */
const createNamedFile = (path: string) => {
  let opened: { readonly handle: FileHandle; readonly ino: number; readonly dev: number } | undefined;
  const close = async (): Promise<void> => {
    const { handle } = opened ?? {};
    opened = undefined;
    await handle?.close();
  };
  return {
    close,
    /** @param hasPartialLine whether a line is only partly written: the file then stays open, for the rest of it */
    reopenIfReplaced: async (hasPartialLine: boolean): Promise<void> => {
      if (opened && hasPartialLine) return;
      const current = await stat(path).catch(ignoreMissing);
      if (opened && current?.ino === opened.ino && current.dev === opened.dev) return;
      await close();
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      const handle = await open(path, APPEND, 0o600);
      const { ino, dev } = await handle.stat();
      opened = { handle, ino, dev };
    },
    append: async (bytes: Uint8Array): Promise<number> =>
      (await opened?.handle.write(bytes))?.bytesWritten ?? 0,
  };
};

const ignoreMissing = (error: NodeJS.ErrnoException): undefined => {
  if (error.code !== 'ENOENT') throw error;
};

const appendAtExit = (path: string, text: string): void => {
  if (text === '') return;
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    appendFileSync(openSync(path, APPEND, 0o600), text);
  } catch {
    // The process exits, so the failure cannot be reported.
  }
};
