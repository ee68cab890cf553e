/**
 * The messages of PostgreSQL's protocol 3.0 that begin a session. Numbers are big-endian; a message is one byte for its
 * type, its length in four bytes (with themselves, without the type) and its contents. The client's first has no type.
 * https://www.postgresql.org/docs/current/protocol-message-formats.html
 */

/** The server's answer to a startup message so far. */
export type StartupAnswer =
  | { readonly kind: 'incomplete' }
  | { readonly kind: 'malformed' }
  /** The server asks for a password, or another proof of who the client is. */
  | { readonly kind: 'login_wanted' }
  /** The server has let the client in, and waits for a query. */
  | { readonly kind: 'ready' }
  | { readonly kind: 'error'; readonly sqlState: string; readonly message: string };

const PROTOCOL_3_0 = 196_608;
const SSL_REQUEST_CODE = 80_877_103;

const untypedMessage = (code: number, contents: Buffer): Buffer => {
  const head = Buffer.alloc(8);
  head.writeInt32BE(head.length + contents.length, 0);
  head.writeInt32BE(code, 4);
  return Buffer.concat([head, contents]);
};

export const SSL_REQUEST = untypedMessage(SSL_REQUEST_CODE, Buffer.alloc(0));

/** @param database default: the server takes the database that is named like the user */
export const startupMessage = (user: string, database: string | undefined): Buffer => {
  const parameters = {
    user,
    ...(database === undefined ? {} : { database }),
    application_name: 'steadyport-probe',
  };
  const texts = Object.entries(parameters).flat();
  return untypedMessage(PROTOCOL_3_0, Buffer.from(`${texts.join('\0')}\0\0`));
};

/** The goodbye of a client that has been let in. */
export const TERMINATE = Buffer.from([0x58, 0, 0, 0, 4]);

/** Longer messages cannot be the beginning of a session; the limit is libpq's for an error. */
const MAX_MESSAGE_BYTES = 30_000;

/** Parses the answer that has arrived after a startup message. */
export const parseAnswer = (received: Buffer): StartupAnswer => {
  let isLetIn = false;
  let offset = 0;
  while (offset < received.length) {
    const type = String.fromCharCode(received.readUInt8(offset));
    if (!isLetIn && type !== 'R' && type !== 'E') return { kind: 'malformed' };
    if (received.length < offset + 5) return { kind: 'incomplete' };
    const messageBytes = received.readInt32BE(offset + 1);
    const minBytes = type === 'R' ? 8 : 4;
    if (messageBytes < minBytes || messageBytes > MAX_MESSAGE_BYTES) return { kind: 'malformed' };
    const end = offset + 1 + messageBytes;
    if (received.length < end) return { kind: 'incomplete' };
    const contents = received.subarray(offset + 5, end);
    if (type === 'E') return parseError(contents);
    if (type === 'R' && contents.readInt32BE(0) !== AUTHENTICATION_OK) return { kind: 'login_wanted' };
    if (type === 'Z') return { kind: 'ready' };
    isLetIn = true;
    offset = end;
  }
  return { kind: 'incomplete' };
};

const AUTHENTICATION_OK = 0;

/** Fields of one letter and a text each, all ended by a zero byte; "C" is the SQLSTATE, "M" the message. */
const parseError = (contents: Buffer): StartupAnswer => {
  const fields = new Map(
    contents
      .toString()
      .split('\0')
      .map((field) => [field.charAt(0), field.slice(1)]),
  );
  const sqlState = fields.get('C') ?? '';
  const message = fields.get('M') ?? '';
  return /^[0-9A-Z]{5}$/.test(sqlState) ? { kind: 'error', sqlState, message } : { kind: 'malformed' };
};
