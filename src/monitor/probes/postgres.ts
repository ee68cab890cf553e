import type { Probe } from '../../kinds/probes/registry.ts';
import type { Exchange } from './exchange/exchange.ts';
import { quote } from './exchange/text-search.ts';
import { onReceived, send, traceReceived } from './exchange/trace.ts';
import { parseAnswer, SSL_REQUEST, startupMessage, TERMINATE } from './postgres-protocol.ts';
import type { OpenProbe } from './probe-request.ts';

export const openPostgresProbe: OpenProbe<'postgres'> = (probe) => ({
  nameAt: (where) => `PostgreSQL at ${where}:`,
  exchange: startupExchange(probe),
  negotiateTls,
});

/** A server sends less before it asks for a password or is ready; errors have at most 30,000 bytes (libpq's limit). */
const MAX_ANSWER_BYTES = 65_536;

/**
 * Begins a login and leaves at the first answer that shows whether the server takes clients. An SSLRequest alone would
 * not do: a server that is still starting up answers it like any other.
 * https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-START-UP
 *
 * The server logs nothing, unless it logs every connection: it does not log a client that leaves when it is asked for a
 * password, and one that is let in without a password says goodbye. It does log an error that it sends.
 */
const startupExchange =
  (probe: Probe<'postgres'>): Exchange =>
  (socket, settle) => {
    let received = Buffer.alloc(0);
    onReceived(socket, (chunk) => {
      received = Buffer.concat([received, chunk]);
      const answer = parseAnswer(received);
      switch (answer.kind) {
        case 'incomplete':
          if (received.length >= MAX_ANSWER_BYTES) settle(malformed(received));
          return;
        case 'malformed':
          return settle(malformed(received));
        case 'login_wanted':
          return settle();
        case 'ready':
          send(socket, TERMINATE);
          return settle();
        case 'error':
          return settle(answer.sqlState === CANNOT_CONNECT_NOW ? refusal(answer.message) : undefined);
      }
    });
    send(socket, startupMessage(probe.user, probe.database));
    return () => (received.length === 0 ? undefined : `the answer ${quote(received)} is not complete`);
  };

/**
 * The one error of a server that takes no clients: it starts up, shuts down or recovers. Any other error shows that it is
 * up, such as a user or a database that it does not have. pg_isready decides the same way (PQping in libpq).
 * https://www.postgresql.org/docs/current/errcodes-appendix.html,
 * https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-PQPINGPARAMS
 */
const CANNOT_CONNECT_NOW = '57P03';

const refusal = (message: string): string => `the server says ${quote(message)} (${CANNOT_CONNECT_NOW})`;
const malformed = (received: Buffer): string => `the answer ${quote(received)} is not PostgreSQL's`;

/**
 * Asks for TLS in plain text. The one byte of the answer is "S" or "N"; an old or overloaded server may send an error.
 * https://www.postgresql.org/docs/current/protocol-flow.html#PROTOCOL-FLOW-SSL
 */
const negotiateTls: Exchange = (socket, settle) => {
  // TLS reads the socket from here on: the listener must not outlive the answer.
  socket.once('data', (chunk: Buffer) => {
    traceReceived(socket, chunk);
    const answer = chunk.toString('latin1');
    if (answer === 'S') settle();
    else if (answer === 'N') settle('the server has no TLS');
    else if (answer.startsWith('E')) settle('the server answers the request for TLS with an error');
    // Bytes after the "S" were not sent by the server's end of TLS (CVE-2021-23222).
    else settle(malformed(chunk));
  });
  send(socket, SSL_REQUEST);
  return () => undefined;
};
