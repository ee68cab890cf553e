import { appendFileSync, mkdirSync } from 'node:fs';
import { type FileHandle, mkdir, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

export type FileSinkEvent = 'failed' | 'recovered' | 'lines_lost';

/** A log that this process writes into a file of its own. */
export interface FileSink {
  /** Takes one line, with its end. It neither waits nor throws; the line is in the file after 20 ms or so. */
  write(line: string): void;
  /** Settles when all is written, or has been tried once more. */
  close(): Promise<void>;
}

/** At most one write for so long, of all lines that have come meanwhile. */
const BATCH_MS = 20;
/** A file that cannot be written is tried again after so long. */
const RETRY_MS = 1_000;
/** What a disk that is full, or that hangs, may cost in memory; further lines are lost. */
const MAX_PENDING_BYTES = 4_000_000;

/**
 * Whoever renames or removes the file need not tell anybody: before each write it is looked up whether the file still
 * has its name, else one is made anew (mode 0600, its folder 0700). Lines are appended whole (O_APPEND, open(2)), so that
 * two processes may write the same file; a line that a full disk has torn is finished before the file is left.
 * @param onStatusChange `failed` once when the file cannot be written, `recovered` when it can be again, `lines_lost` when lines came too fast
 */
export const openFileSink = (
  path: string,
  onStatusChange: (event: FileSinkEvent, message: string) => void,
): FileSink => {
  const file = createNamedFile(path);
  let pending = '';
  let unwritten: Uint8Array = Buffer.alloc(0);
  let [lostLines, isFailing, isWriting, hasPartialLine, lastWriteAt] = [
    0,
    false,
    false,
    false,
    Number.NEGATIVE_INFINITY,
  ];
  let timer: NodeJS.Timeout | undefined;
  let currentFlush = Promise.resolve();

  const writeBatch = async (): Promise<void> => {
    await file.reopenIfReplaced(hasPartialLine);
    if (unwritten.length === 0) [unwritten, pending] = [Buffer.from(pending), ''];
    while (unwritten.length > 0) {
      isWriting = true;
      const bytesWritten = await file.append(unwritten).finally(() => {
        isWriting = false;
      });
      unwritten = unwritten.subarray(bytesWritten);
      hasPartialLine = unwritten.length > 0;
    }
  };

  const flush = async (): Promise<void> => {
    lastWriteAt = performance.now();
    try {
      await writeBatch();
      if (isFailing) onStatusChange('recovered', `${path} is written again; ${lostLines} lines were lost`);
      else if (lostLines > 0)
        onStatusChange(
          'lines_lost',
          `${lostLines} lines for ${path} were lost: they came faster than they were written`,
        );
      [isFailing, lostLines] = [false, 0];
    } catch (error) {
      if (!isFailing)
        onStatusChange('failed', `cannot write ${path}: ${(error as Error).message}; trying again`);
      isFailing = true;
    }
    timer = undefined;
    if (hasMore()) scheduleFlush();
  };
  const hasMore = (): boolean => pending !== '' || unwritten.length > 0;
  const scheduleFlush = (): void => {
    const delayMs = lastWriteAt + (isFailing ? RETRY_MS : BATCH_MS) - performance.now();
    timer = setTimeout(() => {
      currentFlush = flush();
    }, delayMs);
  };

  // A process that exits at once; what is being written then, Node.js itself waits for.
  const writeAtExit = (): void => {
    const remaining = isWriting ? pending : Buffer.from(unwritten).toString() + pending;
    if (remaining !== '') appendAtExit(path, remaining);
  };
  process.on('exit', writeAtExit);

  return {
    write: (line) => {
      if (pending.length > MAX_PENDING_BYTES) lostLines += 1;
      else pending += line;
      if (timer === undefined) scheduleFlush();
    },
    close: async () => {
      clearTimeout(timer);
      await currentFlush;
      clearTimeout(timer);
      if (hasMore()) await flush();
      clearTimeout(timer);
      process.off('exit', writeAtExit);
      await file.close();
    },
  };
};

/** The file that has the name now. */
const createNamedFile = (path: string) => {
  let opened: { readonly handle: FileHandle; readonly ino: number; readonly dev: number } | undefined;
  const close = async (): Promise<void> => {
    const { handle } = opened ?? {};
    opened = undefined;
    await handle?.close();
  };
  return {
    close,
    /** @param hasPartialLine a line has been begun: it is to go on where it was */
    reopenIfReplaced: async (hasPartialLine: boolean): Promise<void> => {
      if (opened && hasPartialLine) return;
      const current = await stat(path).catch(ignoreMissing);
      if (opened && current?.ino === opened.ino && current.dev === opened.dev) return;
      await close();
      await mkdir(dirname(path), { recursive: true, mode: 0o700 });
      const handle = await open(path, 'a', 0o600);
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
  try {
    mkdirSync(dirname(path), { recursive: true, mode: 0o700 });
    appendFileSync(path, text, { mode: 0o600 });
  } catch {
    // There is nobody left to be told.
  }
};
