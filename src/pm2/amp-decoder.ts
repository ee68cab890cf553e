/**
 * Cuts what PM2's bus sends into its messages: a byte whose lower half is the number of parts, and each part behind its
 * length in 4 bytes (https://github.com/tj/node-amp). The first part is the topic, `s:` and its name, the second `j:` and JSON.
 * Of the topics that are not wanted, and of what is longer than `mostBytes`, nothing is kept and nothing parsed.
 * @param take what is no JSON does not reach it
 */
export const cutFrames = (
  wanted: readonly string[],
  mostBytes: number,
  take: (topic: string, value: unknown) => void,
): ((chunk: Buffer) => void) => {
  let rest: Buffer = Buffer.alloc(0);
  let skipBytes = 0;
  /** Of the message: how many parts it has, which one is next, and its topic, if it is wanted. */
  let [parts, part, topic] = [0, 0, ''];

  const takePart = (bytes: Buffer): void => {
    const text = bytes.toString('utf8', 2);
    if (part === 0) topic = wanted.includes(text) ? text : '';
    else takeJson(text, (value) => take(topic, value));
  };

  /** How far it got: the rest is too little to go on. */
  const read = (data: Buffer, start: number): number => {
    let at = start;
    while (at < data.length) {
      if (part === parts) {
        [parts, part, topic] = [(data[at] ?? 0) & 15, 0, ''];
        at += 1;
        continue;
      }
      if (data.length - at < HEAD_BYTES) break;
      const [from, size] = [at + HEAD_BYTES, data.readUInt32BE(at)];
      const isWanted =
        part === 0 ? size <= LONGEST_TOPIC_BYTES : part === 1 && topic !== '' && size <= mostBytes;
      if (isWanted && data.length - from < size) break;
      if (isWanted) takePart(data.subarray(from, from + size));
      part += 1;
      at = Math.min(data.length, from + size);
      skipBytes = from + size - at;
    }
    return at;
  };

  return (chunk) => {
    const skipped = Math.min(skipBytes, chunk.length);
    skipBytes -= skipped;
    const data = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    rest = data.subarray(read(data, skipped));
  };
};

const HEAD_BYTES = 4;
const LONGEST_TOPIC_BYTES = 64;

const takeJson = (text: string, take: (value: unknown) => void): void => {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return;
  }
  take(value);
};
