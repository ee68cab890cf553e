import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';

/** A log file and what becomes of it: it grows, is renamed and made anew, or cut (logrotate's copytruncate). */
export interface LogFile {
  /** The last lines when it was opened. */
  readonly tail: readonly string[];
  /** When they were written; null when there was no file. */
  readonly writtenMs: number | null;
  /** The lines that were finished since; at most about a megabyte at a time. */
  readNew(): readonly string[];
  /** Closes it; gives the last line if it was never finished. */
  close(): readonly string[];
}

const BLOCK_BYTES = 65_536;
const MOST_AT_ONCE_BYTES = 1_048_576;
/** Of a file no more than this is read for its tail, however many lines were asked for. */
const MOST_TAIL_BYTES = 16_777_216;

/**
 * A file that is not there yet is read once it is.
 * @param lines how many of its last lines to begin with
 * @throws the system's error, unless it is ENOENT
 */
export const openLogFile = (path: string, lines: number): LogFile => {
  let opened = openFile(path);
  const tail = opened ? readTail(opened, lines) : [];
  const writtenMs = opened ? fstatSync(opened.fd).mtimeMs : null;
  return {
    tail,
    writtenMs,
    readNew: () => {
      // Asked before the last reading: what is in the new file was written after what is in the old one.
      const hasSuccessor = isReplaced(path, opened);
      const texts = opened ? readOn(opened) : [];
      if (!hasSuccessor || opened?.hasMore) return texts;
      const last = opened ? closeFile(opened) : [];
      opened = openFile(path);
      return [...texts, ...last];
    },
    close: () => (opened ? [...readOn(opened), ...closeFile(opened)] : []),
  };
};

interface OpenedFile {
  readonly fd: number;
  position: number;
  /** The bytes before the position: they are others when the file was cut and has grown past it again. */
  before: Buffer;
  /** The last reading did not reach the end. */
  hasMore: boolean;
  /** The beginning of a line that has not ended yet. */
  unfinished: string;
  decoder: StringDecoder;
}

const NOTHING = Buffer.alloc(0);
/** More than one line: two may differ in their beginnings alone, their times and ports. */
const BEFORE_BYTES = 1_024;

/** Undefined when there is none, or what is there is no regular file (PM2 may have been given /dev/null). */
const openFile = (path: string): OpenedFile | undefined => {
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return undefined;
  const fd = openSync(path, 'r');
  return { fd, position: 0, before: NOTHING, hasMore: false, unfinished: '', decoder: new StringDecoder() };
};

const closeFile = (file: OpenedFile): readonly string[] => {
  closeSync(file.fd);
  return finishLine(file);
};

/** The line that will not go on, if any. */
const finishLine = (file: OpenedFile): readonly string[] => {
  const text = file.unfinished + file.decoder.end();
  file.unfinished = '';
  return text === '' ? [] : [text];
};

/**
 * Whether another file has the name by now. An empty one does not count: logrotate makes it (`create`) before PM2 is
 * told to use it, and what PM2 writes meanwhile is in the old one.
 */
const isReplaced = (path: string, opened: OpenedFile | undefined): boolean => {
  const named = statSync(path, { throwIfNoEntry: false });
  if (!named?.isFile() || named.size === 0) return false;
  const own = opened && fstatSync(opened.fd);
  return named.ino !== own?.ino || named.dev !== own.dev;
};

/** The lines from the position on; from the beginning when the file has been cut. */
const readOn = (file: OpenedFile): readonly string[] => {
  const { size } = fstatSync(file.fd);
  const from = file.position - file.before.length;
  const block = readAt(file.fd, from, Math.min(Math.max(0, size - from), MOST_AT_ONCE_BYTES));
  if (!block.subarray(0, file.before.length).equals(file.before)) {
    const cutOff = finishLine(file);
    moveTo(file, 0, NOTHING);
    return [...cutOff, ...readOn(file)];
  }
  const added = block.subarray(file.before.length);
  moveTo(file, file.position + added.length, block);
  file.hasMore = file.position < size && added.length > 0;
  const texts = (file.unfinished + file.decoder.write(added)).split('\n');
  file.unfinished = texts.pop() ?? '';
  return file.unfinished.length > MOST_AT_ONCE_BYTES ? [...texts, ...finishLine(file)] : texts;
};

const moveTo = (file: OpenedFile, position: number, before: Buffer): void => {
  file.position = position;
  file.before = Buffer.from(before.subarray(Math.max(0, before.length - BEFORE_BYTES)));
};

const readAt = (fd: number, position: number, length: number): Buffer => {
  const block = Buffer.alloc(length);
  return block.subarray(0, readSync(fd, block, 0, length, position));
};

const NEWLINE = 10;

/** Block by block from the end until there are enough lines; the position is then behind the last finished line. */
const readTail = (file: OpenedFile, lines: number): readonly string[] => {
  const { size } = fstatSync(file.fd);
  const blocks: Buffer[] = [];
  let start = size;
  for (let found = 0; start > 0 && found <= lines && size - start < MOST_TAIL_BYTES; ) {
    const length = Math.min(BLOCK_BYTES, start);
    start -= length;
    const block = readAt(file.fd, start, length);
    found += block.filter((byte) => byte === NEWLINE).length;
    blocks.unshift(block);
  }
  const read = Buffer.concat(blocks);
  const end = read.lastIndexOf(NEWLINE) + 1;
  moveTo(file, start + end, read.subarray(0, end));
  const texts = read.toString('utf8', 0, end).split('\n').slice(0, -1);
  // The first one is whole only at the beginning of the file.
  return texts.slice(Math.max(start > 0 ? 1 : 0, texts.length - lines));
};
