import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import { StringDecoder } from 'node:string_decoder';

/** Follows a log file that grows, is renamed and made anew, or is truncated (logrotate's copytruncate). */
export interface LogFile {
  /** The file's last lines when it was opened. */
  readonly tail: readonly string[];
  /** The time of the last write before that, in milliseconds of the wall clock; null when the file did not exist. */
  readonly writtenAt: number | null;
  /** The lines that were finished since the last call, at most about MAX_READ_BYTES at a time. */
  readNewLines(): readonly string[];
  /** Closes the file. @returns the lines that are left, and the last one even if it has no newline */
  close(): readonly string[];
}

const BLOCK_BYTES = 65_536;
const MAX_READ_BYTES = 1_048_576;
/** The most that is read of a file for its tail, however many lines were asked for. */
const MAX_TAIL_BYTES = 16_777_216;

/**
 * Opens a log file to follow it. A file that does not exist yet is read as soon as it does.
 * @param maxLines how many of its last lines {@link LogFile.tail} has at most
 * @throws the system's error, but not ENOENT
 */
export const openLogFile = (path: string, maxLines: number): LogFile => {
  let opened = openFile(path);
  const tail = opened ? readTail(opened, maxLines) : [];
  const writtenAt = opened ? fstatSync(opened.fd).mtimeMs : null;
  return {
    tail,
    writtenAt,
    readNewLines: () => {
      // This check precedes the read: all that is in a new file was written after what is read here.
      const hasNewFile = isReplaced(path, opened);
      const newLines = opened ? readNewLines(opened) : [];
      if (!hasNewFile || opened?.hasMore) return newLines;
      const lastLine = opened ? closeFile(opened) : [];
      opened = openFile(path);
      return [...newLines, ...lastLine];
    },
    close: () => (opened ? [...readNewLines(opened), ...closeFile(opened)] : []),
  };
};

interface OpenedFile {
  readonly fd: number;
  position: number;
  /** The bytes before the position. They differ when the file was truncated and has grown past the position again. */
  fingerprint: Buffer;
  /** True when the last read ended before the end of the file. */
  hasMore: boolean;
  /** The beginning of a line that has not ended yet. */
  unfinished: string;
  decoder: StringDecoder;
}

const NO_BYTES = Buffer.alloc(0);
/** More than the length of one line: two lines may differ only at their beginnings, in times and ports. */
const FINGERPRINT_BYTES = 1_024;

/** Opens the file. Undefined when it does not exist, or is not a regular one (PM2's log may be configured as /dev/null). */
const openFile = (path: string): OpenedFile | undefined => {
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return undefined;
  const fd = openSync(path, 'r');
  return {
    fd,
    position: 0,
    fingerprint: NO_BYTES,
    hasMore: false,
    unfinished: '',
    decoder: new StringDecoder(),
  };
};

const closeFile = (file: OpenedFile): readonly string[] => {
  closeSync(file.fd);
  return takeUnfinishedLine(file);
};

/** The unfinished line, which no more text will follow, if there is one. */
const takeUnfinishedLine = (file: OpenedFile): readonly string[] => {
  const text = file.unfinished + file.decoder.end();
  file.unfinished = '';
  return text === '' ? [] : [text];
};

/**
 * True when another file has the name by now. An empty file does not count: logrotate makes it (`create`) before PM2 gets
 * the order to use it, and PM2 writes into the old file until then.
 */
const isReplaced = (path: string, opened: OpenedFile | undefined): boolean => {
  const current = statSync(path, { throwIfNoEntry: false });
  if (!current?.isFile() || current.size === 0) return false;
  const previous = opened && fstatSync(opened.fd);
  return current.ino !== previous?.ino || current.dev !== previous.dev;
};

/** The lines from the position on; from the beginning when the file has been truncated. */
const readNewLines = (file: OpenedFile): readonly string[] => {
  const { size } = fstatSync(file.fd);
  const start = file.position - file.fingerprint.length;
  const block = readAt(file.fd, start, Math.min(Math.max(0, size - start), MAX_READ_BYTES));
  if (!block.subarray(0, file.fingerprint.length).equals(file.fingerprint)) {
    const lastLine = takeUnfinishedLine(file);
    setPosition(file, 0, NO_BYTES);
    return [...lastLine, ...readNewLines(file)];
  }
  const newBytes = block.subarray(file.fingerprint.length);
  setPosition(file, file.position + newBytes.length, block);
  file.hasMore = file.position < size && newBytes.length > 0;
  const lines = (file.unfinished + file.decoder.write(newBytes)).split('\n');
  file.unfinished = lines.pop() ?? '';
  return file.unfinished.length > MAX_READ_BYTES ? [...lines, ...takeUnfinishedLine(file)] : lines;
};

const setPosition = (file: OpenedFile, position: number, bytesBefore: Buffer): void => {
  file.position = position;
  file.fingerprint = Buffer.from(bytesBefore.subarray(Math.max(0, bytesBefore.length - FINGERPRINT_BYTES)));
};

const readAt = (fd: number, position: number, length: number): Buffer => {
  const block = Buffer.alloc(length);
  return block.subarray(0, readSync(fd, block, 0, length, position));
};

const NEWLINE = 10;

/** Reads blocks from the end until there are enough lines, and sets the position behind the last finished line. */
const readTail = (file: OpenedFile, maxLines: number): readonly string[] => {
  const { size } = fstatSync(file.fd);
  const blocks: Buffer[] = [];
  let start = size;
  for (let newlines = 0; start > 0 && newlines <= maxLines && size - start < MAX_TAIL_BYTES; ) {
    const length = Math.min(BLOCK_BYTES, start);
    start -= length;
    const block = readAt(file.fd, start, length);
    newlines += block.filter((byte) => byte === NEWLINE).length;
    blocks.unshift(block);
  }
  const bytes = Buffer.concat(blocks);
  const end = bytes.lastIndexOf(NEWLINE) + 1;
  setPosition(file, start + end, bytes.subarray(0, end));
  const lines = bytes.toString('utf8', 0, end).split('\n').slice(0, -1);
  // The first line is complete only when the read has reached the beginning of the file.
  return lines.slice(Math.max(start > 0 ? 1 : 0, lines.length - maxLines));
};
