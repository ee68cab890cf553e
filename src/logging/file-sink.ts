import { appendFileSync, mkdirSync } from 'node:fs';
import { type FileHandle, mkdir, open, stat } from 'node:fs/promises';
import { dirname } from 'node:path';

export type FileSinkEvent = 'failed' | 'recovered' | 'lines_lost';

/** A log that this process writes into a file of its own. */
export interface AccessLog {
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
const MOST_WAITING_BYTES = 4_000_000;

/**
 * Whoever renames or removes the file need not tell anybody: before each write it is looked up whether the file still
 * has its name, else one is made anew (mode 0600, its folder 0700). Lines are appended whole (O_APPEND, open(2)), so that
 * two processes may write the same file; a line that a full disk has torn is finished before the file is left.
 * @param tell `failed` once when the file cannot be written, `recovered` when it can be again, `lines_lost` when lines came too fast
 */
export const openAccessLog = (
  path: string,
  tell: (event: FileSinkEvent, sentence: string) => void,
): AccessLog => {
  const file = createNamedFile(path);
  let waiting = '';
  let rest: Uint8Array = Buffer.alloc(0);
  let [lost, isFailing, isWriting, isTorn, lastAt] = [0, false, false, false, Number.NEGATIVE_INFINITY];
  let timer: NodeJS.Timeout | undefined;
  let writing = Promise.resolve();

  const writeBatch = async (): Promise<void> => {
    await file.follow(isTorn);
    if (rest.length === 0) [rest, waiting] = [Buffer.from(waiting), ''];
    while (rest.length > 0) {
      isWriting = true;
      const written = await file.append(rest).finally(() => {
        isWriting = false;
      });
      rest = rest.subarray(written);
      isTorn = rest.length > 0;
    }
  };

  const run = async (): Promise<void> => {
    lastAt = performance.now();
    try {
      await writeBatch();
      if (isFailing) tell('recovered', `${path} is written again; ${lost} lines were lost`);
      else if (lost > 0)
        tell('lines_lost', `${lost} lines for ${path} were lost: they came faster than they were written`);
      [isFailing, lost] = [false, 0];
    } catch (error) {
      if (!isFailing) tell('failed', `cannot write ${path}: ${(error as Error).message}; trying again`);
      isFailing = true;
    }
    timer = undefined;
    if (hasMore()) schedule();
  };
  const hasMore = (): boolean => waiting !== '' || rest.length > 0;
  const schedule = (): void => {
    const afterMs = lastAt + (isFailing ? RETRY_MS : BATCH_MS) - performance.now();
    timer = setTimeout(() => {
      writing = run();
    }, afterMs);
  };

  // A process that exits at once; what is being written then, Node.js itself waits for.
  const writeAtExit = (): void => {
    const left = isWriting ? waiting : Buffer.from(rest).toString() + waiting;
    if (left !== '') appendAtExit(path, left);
  };
  process.on('exit', writeAtExit);

  return {
    write: (line) => {
      if (waiting.length > MOST_WAITING_BYTES) lost += 1;
      else waiting += line;
      if (timer === undefined) schedule();
    },
    close: async () => {
      clearTimeout(timer);
      await writing;
      clearTimeout(timer);
      if (hasMore()) await run();
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
    /** @param isTorn a line has been begun: it is to go on where it was */
    follow: async (isTorn: boolean): Promise<void> => {
      if (opened && isTorn) return;
      const named = await stat(path).catch(absent);
      if (opened && named?.ino === opened.ino && named.dev === opened.dev) return;
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

const absent = (error: NodeJS.ErrnoException): undefined => {
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
