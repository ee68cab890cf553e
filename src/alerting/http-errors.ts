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
  if (typeof code !== 'string' || !/^[A-Z0-9_]+$/.test(code)) return 'no answer that could be read';
  if (/^ERR_(SSL|TLS)_/.test(code) || CERTIFICATE_ERROR.test(code)) return `TLS error: ${code}`;
  return ERROR_TEXTS[code] ?? `no answer (${code})`;
};

const MAX_QUOTE_LENGTH = 100;
/** A shorter part of a URL is a word that may be in any answer. */
const MIN_SECRET_LENGTH = 6;

/**
 * The receiver's reason, such as Slack's "no_service", the `message` of Discord or the `error` of ntfy.
 * @returns null when it gives none, or when the reason has a part of the URL in it
 */
export const quoteAnswer = (answer: string, url: URL): string | null => {
  const text = messageOf(answer)
    .replace(/[\p{Cc}\s]+/gu, ' ')
    .trim();
  if (text === '' || text.startsWith('<') || containsPartOf(url, text)) return null;
  const codePoints = [...text];
  return codePoints.length > MAX_QUOTE_LENGTH ? `${codePoints.slice(0, MAX_QUOTE_LENGTH).join('')}…` : text;
};

const messageOf = (answer: string): string => {
  try {
    const { message, error } = JSON.parse(answer) ?? {};
    return [message, error].find((reason) => typeof reason === 'string') ?? answer;
  } catch {
    return answer;
  }
};

/** Compares in any case. */
const containsPartOf = (url: URL, answer: string): boolean => {
  const text = answer.toLowerCase();
  const urlParts = [url.host, ...url.pathname.split('/'), ...url.search.split(/[?&=]/)];
  return [...urlParts.filter((part) => part.length >= MIN_SECRET_LENGTH), url.username, url.password]
    .flatMap((part) => [part, decodeSafely(part)])
    .some((part) => part !== '' && text.includes(part.toLowerCase()));
};

/** Decodes a part of a URL, and returns it unchanged where its % is no escape. */
export const decodeSafely = (part: string): string => {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
};
