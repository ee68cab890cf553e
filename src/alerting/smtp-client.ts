import type { MailComposerOptions } from 'nodemailer/lib/mail-composer';
import type SmtpConnection from 'nodemailer/lib/smtp-connection';
import type { Secret } from '../config/secrets.ts';
import { isLoopback } from '../lib/address.ts';
import type { Delivery } from './delivery.ts';
import { attemptDelivery, failure } from './delivery-attempt.ts';
import { decodeSafely, describeErrorCode, quoteAnswer } from './delivery-errors.ts';

/**
 * The longest time for one try. Servers pause before the greeting and filter before the last answer, so it is longer than over
 * HTTP; RFC 5321, 4.5.3.2 even has minutes.
 */
const TIMEOUT_MS = 30_000;

/** The port for programs that hand mail in: with STARTTLS (RFC 6409), and with TLS from the start (RFC 8314). */
const PORTS = { smtp: 587, smtps: 465 };

/** The options of nodemailer's connection. @param url kinds/channels/email.ts has found it to be right */
export const smtpOptionsOf = (url: URL) => {
  const isTlsFromStart = url.protocol === 'smtps:';
  const host = url.hostname.replace(/^\[(.*)\]$/, '$1');
  const mustUpgrade = !isTlsFromStart && url.username !== '' && !isLoopback(host);
  return {
    host,
    port: url.port === '' ? PORTS[isTlsFromStart ? 'smtps' : 'smtp'] : Number(url.port),
    secure: isTlsFromStart,
    requireTLS: mustUpgrade,
    // Without credentials plain text would do as well, so a certificate that nobody knows is no obstacle (RFC 7435).
    tls: { rejectUnauthorized: isTlsFromStart || mustUpgrade },
    allowInternalNetworkInterfaces: true,
    connectionTimeout: TIMEOUT_MS,
    greetingTimeout: TIMEOUT_MS,
    socketTimeout: TIMEOUT_MS,
  };
};

/**
 * Sends one e-mail by a connection of its own; never rejects. It counts as delivered when the server takes it for one of its
 * addresses at least. nodemailer is loaded with the first one: the monitor does without until then.
 * @param secret the configured URL: no part of it is in the problem of a failed delivery
 * @param mail the options of nodemailer's MailComposer
 * @param timeoutMs default {@link TIMEOUT_MS}
 */
export const sendMail = (
  secret: Secret,
  mail: MailComposerOptions,
  callerSignal: AbortSignal,
  timeoutMs = TIMEOUT_MS,
): Promise<Delivery> => {
  const url = secret.revealUrl();
  const attempt = async (signal: AbortSignal): Promise<Delivery> => {
    const [{ default: Connection }, { default: Composer }] = await Promise.all([
      import('nodemailer/lib/smtp-connection'),
      import('nodemailer/lib/mail-composer'),
    ]);
    const composed = new Composer(mail).compile();
    const connection = new Connection(smtpOptionsOf(url));
    const content = await composed.build();
    await submit(connection, url, { envelope: composed.getEnvelope(), content }, signal);
    return { ok: true };
  };
  return attemptDelivery(callerSignal, timeoutMs, attempt, (error) => describeSmtpError(error, url));
};

interface Mail {
  readonly envelope: Parameters<SmtpConnection['send']>[0];
  readonly content: Buffer;
}

/** @throws the server's refusal, or that of the connection, or an error when the signal aborts */
const submit = async (
  connection: SmtpConnection,
  { username, password }: URL,
  { envelope, content }: Mail,
  signal: AbortSignal,
): Promise<void> => {
  const failed = new Promise<never>((_, reject) => {
    connection.on('error', reject);
    connection.on('end', () => reject(Object.assign(new Error('closed'), { code: 'ECONNECTION' })));
    signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true });
    signal.throwIfAborted();
  });
  const step = <Result>(start: (done: (error?: Error | null, result?: Result) => void) => void) =>
    Promise.race([
      failed,
      new Promise<void>((resolve, reject) => start((error) => (error ? reject(error) : resolve()))),
    ]);
  const credentials = { user: decodeSafely(username), pass: decodeSafely(password) };
  try {
    await step((done) => connection.connect(done));
    if (username !== '') await step((done) => connection.login({ credentials }, done));
    await step((done) => connection.send(envelope, content, done));
    connection.quit();
  } catch (error) {
    connection.close();
    throw error;
  }
};

interface SmtpError {
  /** nodemailer's code, which replaces that of the system or of OpenSSL in an error of theirs. */
  readonly code?: string;
  readonly originalCode?: string;
  /** The server's whole answer, such as "550 5.1.1 No such user". */
  readonly response?: string;
  readonly responseCode?: number;
  /** The command that was answered, such as "RCPT TO"; "CONN" for the greeting. */
  readonly command?: string;
}

/** The commands whose answers are about the message, not about this client or its account. */
const MESSAGE_COMMANDS = ['MAIL FROM', 'RCPT TO', 'DATA'];

/**
 * A permanent answer (5xx) to a command about the message drops it: the same message would be refused again (RFC 5321, 4.2.1).
 * One to the login or to the greeting is tried again, as is every temporary one (4xx): a password can be put right.
 */
const describeSmtpError = (error: unknown, url: URL) => {
  const { code = '', originalCode, response = '', responseCode, command = '' } = error as SmtpError;
  if (responseCode === undefined) return failure(describeConnectionError(code, originalCode));
  const [status = ''] = /^\d{3}(?: \d\.\d+\.\d+)?/.exec(response.replaceAll('-', ' ')) ?? [];
  const quote = quoteAnswer(response.slice(status.length), url);
  const after = command === '' || command === 'CONN' ? '' : ` after ${command}`;
  return failure(`SMTP ${status}${after}${quote === null ? '' : `: ${quote}`}`, {
    isFinal: responseCode >= 500 && MESSAGE_COMMANDS.includes(command),
  });
};

/** nodemailer's codes in words: https://nodemailer.com/errors/. Its messages have the host in them. */
const ERROR_TEXTS: Readonly<Record<string, string>> = {
  EAUTH: 'the server offers no login that the user and the password of the URL can use',
  ECONNECTION: 'connection closed before the answer',
  EDNS: 'the host name cannot be looked up',
  EPROTOCOL: 'no answer that could be read',
  ETIMEDOUT: 'timed out while connecting',
  ETLS: 'TLS error: the server offers no STARTTLS',
};

const describeConnectionError = (code: string, originalCode: string | undefined): string =>
  originalCode === undefined && ERROR_TEXTS[code]
    ? ERROR_TEXTS[code]
    : describeErrorCode(originalCode ?? code);
