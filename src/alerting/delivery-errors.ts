import { printable } from '../lib/printable.ts';

/** The error codes of fetch in words: https://nodejs.org/api/errors.html, and undici's own. */
const ERROR_TEXTS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'connection refused',
  ECONNRESET: 'connection closed before the answer',
  EPIPE: 'connection closed before the answer',
  UND_ERR_SOCKET: 'connection closed before the answer',
  ENOTFOUND: 'no such host name',
  EAI_AGAIN: 'the host name cannot be looked up for now',
  ETIMEDOUT: 'timed out while connecting',
  UND_ERR_CONNECT_TIMEOUT: 'timed out while connecting',
  EHOSTUNREACH: 'no way to that host',
  ENETUNREACH: 'no way to that network',
};

/** The codes of refused certificates. The codes of OpenSSL's other errors begin with ERR_SSL or ERR_TLS. */
const CERTIFICATE_ERROR =
  /^(CERT_|CRL_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|ERROR_IN_CERT_|INVALID_(CA|PURPOSE)|PATH_LENGTH_)/;

/** Describes an error by its code alone: its message has the URL, the host or the address in it. */
export const describeFetchError = (error: unknown): string => {
  const cause = error instanceof Error ? (error.cause ?? error) : error;
  const { code, message } = cause as { code?: unknown; message?: unknown };
  // https://fetch.spec.whatwg.org/#port-blocking
  if (message === 'bad port') return 'the port of the URL is one that fetch refuses to call';
  return describeErrorCode(code);
};

/** Describes an error's code, of Node.js, the system or OpenSSL, in words. */
export const describeErrorCode = (code: unknown): string => {
  if (typeof code !== 'string' || !/^[A-Z0-9_]+$/.test(code)) return 'no answer that could be read';
  if (/^ERR_(SSL|TLS)_/.test(code) || CERTIFICATE_ERROR.test(code)) return `TLS error: ${code}`;
  return ERROR_TEXTS[code] ?? `no answer (${code})`;
};

const MAX_QUOTE_LENGTH = 100;
/** A shorter part of a URL is a word that may be in any answer. */
const MIN_SECRET_LENGTH = 6;

/**
 * The receiver's reason, such as Slack's "no_service", the `message` of Discord, the `description` of Telegram or the
 * `error` of ntfy and of Teams.
 * @returns null when it gives none, or when each of its reasons has a part of the URL in it
 */
export const quoteAnswer = (answer: string, url: URL): string | null => {
  const reason = reasonsIn(answer)
    .map(toOneLine)
    .find((text) => text !== '' && !text.startsWith('<') && !containsPartOf(url, text));
  return reason === undefined ? null : cutQuote(reason);
};

const toOneLine = (text: string): string => text.replace(/[\p{Cc}\s]+/gu, ' ').trim();

/** A quote of at most {@link MAX_QUOTE_LENGTH} characters, and an ellipsis where it is cut. */
export const cutQuote = (text: string): string => {
  const codePoints = [...toOneLine(text)];
  const quote = printable(codePoints.slice(0, MAX_QUOTE_LENGTH).join(''));
  return codePoints.length > MAX_QUOTE_LENGTH ? `${quote}…` : quote;
};

/** The reasons in an answer, the plainest first. An answer without any is its own reason. */
const reasonsIn = (answer: string): readonly string[] => {
  try {
    const { message, description, error } = JSON.parse(answer) ?? {};
    const reasons = [message, description, error, error?.message, error?.code];
    const texts = reasons.filter((reason) => typeof reason === 'string');
    return texts.length > 0 ? texts : [answer];
  } catch {
    return [answer];
  }
};

/** Compares in any case. */
const containsPartOf = (url: URL, answer: string): boolean => {
  const text = answer.toLowerCase();
  const urlParts = [url.host, url.hostname, ...url.pathname.split('/'), ...url.search.split(/[?&=]/)];
  return [...urlParts.flatMap(toLongParts), url.username, url.password]
    .flatMap((part) => [part, decodeSafely(part)])
    .some((part) => part !== '' && text.includes(part.toLowerCase()));
};

/** The part as it stands, and its own parts: those of a list of e-mail addresses, and of Telegram's `botID:TOKEN`. */
const toLongParts = (part: string): readonly string[] =>
  [part, ...decodeSafely(part).split(/[,@:]/)].filter((text) => text.length >= MIN_SECRET_LENGTH);

/** Decodes a part of a URL, and returns it unchanged where its % is no escape. */
export const decodeSafely = (part: string): string => {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
};
