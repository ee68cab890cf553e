import { printable } from '../../../lib/printable.ts';

/** The maximum of an answer that is searched for a text. */
export const MAX_SEARCH_BYTES = 1_000_000;
/** The maximum of an answer that a message quotes. */
const MAX_QUOTED_CHARACTERS = 60;
/** The maximum of bytes that MAX_QUOTED_CHARACTERS have in UTF-8, and one more character, which shows that the text goes on. */
const MAX_QUOTED_BYTES = 4 * (MAX_QUOTED_CHARACTERS + 1);

/** Searches what arrives piece by piece for a text, by its bytes in UTF-8. */
export const createSearch = (text: string) => {
  const needle = Buffer.from(text);
  let head = Buffer.alloc(0);
  let tail = Buffer.alloc(0);
  let receivedBytes = 0;
  return {
    /** True when `text` is in what has arrived by now. */
    isFoundIn: (chunk: Buffer): boolean => {
      const searchedChunk = chunk.subarray(0, MAX_SEARCH_BYTES - receivedBytes);
      receivedBytes += searchedChunk.length;
      const missingBytes = MAX_QUOTED_BYTES - head.length;
      if (missingBytes > 0) head = Buffer.concat([head, searchedChunk.subarray(0, missingBytes)]);
      const searchWindow = Buffer.concat([tail, searchedChunk]);
      tail = searchWindow.subarray(Math.max(0, searchWindow.length - needle.length + 1));
      return searchWindow.includes(needle);
    },
    hasReachedLimit: (): boolean => receivedBytes >= MAX_SEARCH_BYTES,
    /** The beginning of what has arrived, long enough for {@link quote}. */
    head: (): string => head.toString(),
  };
};

/**
 * The first MAX_QUOTED_CHARACTERS of a text from elsewhere, as JSON that is {@link printable}.
 */
export const quote = (text: string | Buffer): string => {
  const characters = Array.from(
    typeof text === 'string' ? text : text.subarray(0, MAX_QUOTED_BYTES).toString(),
  );
  const quoted = printable(JSON.stringify(characters.slice(0, MAX_QUOTED_CHARACTERS).join('')));
  return characters.length > MAX_QUOTED_CHARACTERS ? `${quoted}…` : quoted;
};
