import { createServer, type Socket } from 'node:net';
import { after } from 'node:test';
import { SMTPServer, type SMTPServerOptions } from 'smtp-server';
import type { Certificate } from '../programs/certificate.ts';

export interface ReceivedMail {
  readonly from: string;
  readonly to: readonly string[];
  /** The message as it was sent, with its headers. */
  readonly source: string;
  readonly isEncrypted: boolean;
  /** The user that has logged in; null without a login. */
  readonly user: string | null;
}

export interface MailReceiver {
  readonly port: number;
  readonly received: readonly ReceivedMail[];
}

export interface MailReceiverOptions {
  readonly tls?: Certificate;
  /** TLS from the start. */
  readonly isSecure?: boolean;
  /** The login that is required. Default: none. */
  readonly login?: { readonly user: string; readonly password: string };
  /** Refuses a recipient with this answer. Default: takes each. */
  refuseRecipient?(address: string): { readonly code: number; readonly text: string } | null;
}

const toError = ({ code, text }: { readonly code: number; readonly text: string }): Error =>
  Object.assign(new Error(text), { responseCode: code });

/** Starts a mail server (smtp-server) on all addresses of IPv4. It is closed after the test or the file that asked for it. */
export const openMailReceiver = async (options: MailReceiverOptions = {}): Promise<MailReceiver> => {
  const { tls, isSecure = false, login, refuseRecipient } = options;
  const received: ReceivedMail[] = [];
  const serverOptions: SMTPServerOptions = {
    secure: isSecure,
    authOptional: login === undefined,
    ...(tls === undefined ? { disabledCommands: ['STARTTLS'] } : { key: tls.key, cert: tls.cert }),
    allowInsecureAuth: true,
    closeTimeout: 1,
    onAuth: ({ username = '', password }, _session, done) =>
      username === login?.user && password === login.password
        ? done(null, { user: username })
        : done(toError({ code: 535, text: `Invalid login of ${username}` })),
    onRcptTo: ({ address }, _session, done) => {
      const refusal = refuseRecipient?.(address) ?? null;
      done(refusal === null ? null : toError(refusal));
    },
    onData: (stream, session, done) => {
      const parts: Buffer[] = [];
      stream
        .on('data', (part: Buffer) => parts.push(part))
        .on('end', () => {
          const { mailFrom, rcptTo } = session.envelope;
          received.push({
            from: mailFrom === false ? '' : mailFrom.address,
            to: rcptTo.map(({ address }) => address),
            source: Buffer.concat(parts).toString(),
            isEncrypted: session.secure,
            user: typeof session.user === 'string' ? session.user : null,
          });
          done(null);
        });
    },
  };
  const server = new SMTPServer(serverOptions);
  // A client that does not trust the certificate, or leaves.
  server.on('error', () => {});
  const listener = server.listen(0, '0.0.0.0');
  await new Promise<void>((done) => listener.once('listening', done));
  after(() => new Promise<void>((done) => server.close(done)));
  const address = listener.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { port: address.port, received };
};

/** The steps of a session, each with the answer that a well-behaved server gives. */
const GOOD_ANSWERS = {
  greeting: '220 mail.example ESMTP',
  EHLO: '250 mail.example',
  MAIL: '250 2.1.0 Ok',
  RCPT: '250 2.1.5 Ok',
  DATA: '354 End data with <CR><LF>.<CR><LF>',
  message: '250 2.0.0 Queued',
  QUIT: '221 2.0.0 Bye',
};

export type SmtpAnswers = { readonly [step in keyof typeof GOOD_ANSWERS]?: string };

/** Closes the connection instead of answering. */
export const CUT = 'cut';
/** Never answers. */
export const HANG = 'hang';

/**
 * Starts a mail server that answers as it is told, by step; otherwise well.
 * @returns its port, and the steps that it came to
 */
export const openScriptedMailServer = async (
  answers: SmtpAnswers,
): Promise<{ readonly port: number; readonly steps: readonly string[] }> => {
  const steps: string[] = [];
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
    const answer = (step: keyof typeof GOOD_ANSWERS): void => {
      steps.push(step);
      const text = answers[step] ?? GOOD_ANSWERS[step];
      if (text === CUT) socket.destroy();
      else if (text !== HANG) socket.write(`${text}\r\n`);
    };
    let pending = '';
    let isInMessage = false;
    socket.setEncoding('utf8').on('data', (part: string) => {
      pending += part;
      for (;;) {
        const end = isInMessage ? '\r\n.\r\n' : '\r\n';
        const at = pending.indexOf(end);
        if (at < 0) return;
        const line = pending.slice(0, at);
        pending = pending.slice(at + end.length);
        if (isInMessage) {
          isInMessage = false;
          answer('message');
          continue;
        }
        const step = line.slice(0, 4).toUpperCase() as keyof typeof GOOD_ANSWERS;
        answer(step);
        isInMessage = step === 'DATA' && (answers.DATA ?? GOOD_ANSWERS.DATA).startsWith('354');
      }
    });
    answer('greeting');
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return { port: address.port, steps };
};
