/**
 * Decodes the messages of PM2's bus (https://github.com/tj/node-amp). A message is a byte whose lower 4 bits are the number
 * of parts, and then each part behind its length in 4 bytes. The first part is the topic, `s:` and its name; the second is
 * `j:` and JSON. A message of another topic, or one whose JSON is longer than `maxBytes`, is neither kept nor parsed.
 * @param onMessage gets the parsed JSON of each message; a message that is not JSON is skipped
 * @returns a function that takes the next bytes of the connection
 */
export const decodeFrames = (
  topics: readonly string[],
  maxBytes: number,
  onMessage: (topic: string, value: unknown) => void,
): ((chunk: Buffer) => void) => {
  let remainder: Buffer = Buffer.alloc(0);
  let bytesToSkip = 0;
  let partCount = 0;
  /** The index of the next part of the message. */
  let partIndex = 0;
  /** The message's topic; empty until it is known, and when it is not one of `topics`. */
  let topic = '';

  const handlePart = (bytes: Buffer): void => {
    const text = bytes.toString('utf8', 2);
    if (partIndex === 0) topic = topics.includes(text) ? text : '';
    else parseJson(text, (value) => onMessage(topic, value));
  };

  const isPartNeeded = (sizeBytes: number): boolean => {
    if (partIndex === 0) return sizeBytes <= MAX_TOPIC_BYTES;
    return partIndex === 1 && topic !== '' && sizeBytes <= maxBytes;
  };

  /** Decodes what is complete. @returns the offset of the first byte that is still to be decoded */
  const decode = (data: Buffer, start: number): number => {
    let offset = start;
    while (offset < data.length) {
      if (partIndex === partCount) {
        partCount = (data[offset] ?? 0) & 15;
        partIndex = 0;
        topic = '';
        offset += 1;
        continue;
      }
      if (data.length - offset < HEADER_BYTES) break;
      const contentStart = offset + HEADER_BYTES;
      const sizeBytes = data.readUInt32BE(offset);
      const isNeeded = isPartNeeded(sizeBytes);
      if (isNeeded && data.length - contentStart < sizeBytes) break;
      if (isNeeded) handlePart(data.subarray(contentStart, contentStart + sizeBytes));
      partIndex += 1;
      offset = Math.min(data.length, contentStart + sizeBytes);
      bytesToSkip = contentStart + sizeBytes - offset;
    }
    return offset;
  };

  return (chunk) => {
    const skippedBytes = Math.min(bytesToSkip, chunk.length);
    bytesToSkip -= skippedBytes;
    const data = remainder.length === 0 ? chunk : Buffer.concat([remainder, chunk]);
    remainder = data.subarray(decode(data, skippedBytes));
  };
};

/** The length before each part. */
const HEADER_BYTES = 4;
const MAX_TOPIC_BYTES = 64;

const parseJson = (text: string, onValue: (value: unknown) => void): void => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return;
  }
  onValue(value);
};
