/** @returns a message as PM2's bus sends it (amp and amp-message, version 1) */
export const frame = (topic: string, ...values: readonly unknown[]): Buffer => {
  const parts = [`s:${topic}`, ...values.map((value) => `j:${JSON.stringify(value)}`)].map((text) =>
    Buffer.from(text),
  );
  const framed = parts.map((part) => {
    const size = Buffer.alloc(4);
    size.writeUInt32BE(part.length);
    return Buffer.concat([size, part]);
  });
  return Buffer.concat([Buffer.from([0x10 | parts.length]), ...framed]);
};
