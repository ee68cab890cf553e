/**
 * Cuts what PM2's bus sends into its messages: a byte whose lower half is the number of parts, and each part behind its
 * length in 4 bytes (https://github.com/tj/node-amp). The first part is the topic, `s:` and its name, the second `j:` and JSON.
 * Of the topics that are not wanted, and of what is longer than `mostBytes`, nothing is kept and nothing parsed.
 * @param onMessage what is no JSON does not reach it
 */
export const decodeFrames = (
  topics: readonly string[],
  maxBytes: number,
  onMessage: (topic: string, value: unknown) => void,
): ((chunk: Buffer) => void) => {
  let remainder: Buffer = Buffer.alloc(0);
  let bytesToSkip = 0;
  /** Of the message: how many parts it has, which one is next, and its topic, if it is wanted. */
  let [partCount, partIndex, topic] = [0, 0, ''];

  const handlePart = (bytes: Buffer): void => {
    const text = bytes.toString('utf8', 2);
    if (partIndex === 0) topic = topics.includes(text) ? text : '';
    else parseJson(text, (value) => onMessage(topic, value));
  };

  /** How far it got: the rest is too little to go on. */
  const decode = (data: Buffer, start: number): number => {
    let offset = start;
    while (offset < data.length) {
      if (partIndex === partCount) {
        [partCount, partIndex, topic] = [(data[offset] ?? 0) & 15, 0, ''];
        offset += 1;
        continue;
      }
      if (data.length - offset < HEADER_BYTES) break;
      const [contentStart, sizeBytes] = [offset + HEADER_BYTES, data.readUInt32BE(offset)];
      const isNeeded =
        partIndex === 0
          ? sizeBytes <= MAX_TOPIC_BYTES
          : partIndex === 1 && topic !== '' && sizeBytes <= maxBytes;
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
