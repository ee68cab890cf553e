/** Messages of a PostgreSQL server: https://www.postgresql.org/docs/current/protocol-message-formats.html */

export const typed = (type: string, contents: Buffer): Buffer => {
  const head = Buffer.from(`${type}\0\0\0\0`);
  head.writeInt32BE(4 + contents.length, 1);
  return Buffer.concat([head, contents]);
};

const int32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeInt32BE(value);
  return bytes;
};

export const AUTHENTICATION_OK = typed('R', int32(0));
export const SASL_WANTED = typed('R', Buffer.concat([int32(10), Buffer.from('SCRAM-SHA-256\0\0')]));
export const READY = typed('Z', Buffer.from('I'));

export const errorResponse = (sqlState: string, message: string): Buffer =>
  typed('E', Buffer.from(`SFATAL\0VFATAL\0C${sqlState}\0M${message}\0\0`));
