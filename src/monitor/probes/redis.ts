import type { Exchange } from './exchange/exchange.ts';
import { quote } from './exchange/text-search.ts';
import { onReceived, send } from './exchange/trace.ts';
import type { OpenProbe } from './probe-request.ts';

export const openRedisProbe: OpenProbe<'redis'> = () => ({
  nameAt: (where) => `PING at ${where}:`,
  exchange: pingExchange,
});

/**
 * PING as an array of one bulk string. Redis also takes the line "PING", but proxies such as Envoy's do not.
 * https://redis.io/docs/latest/develop/reference/protocol-spec/
 */
const PING = '*1\r\n$4\r\nPING\r\n';

/** The lines of the answers end in CRLF; an error of Redis is far shorter than this. */
const MAX_LINE_BYTES = 1_024;

const pingExchange: Exchange = (socket, settle) => {
  let received = Buffer.alloc(0);
  onReceived(socket, (chunk) => {
    received = Buffer.concat([received, chunk.subarray(0, MAX_LINE_BYTES - received.length)]);
    const lineLength = received.indexOf('\r\n');
    if (lineLength >= 0) settle(answerProblem(received.toString('utf8', 0, lineLength)));
    else if (received.length === MAX_LINE_BYTES) settle(`the answer ${quote(received)} is not a line`);
  });
  send(socket, PING);
  return () => (received.length === 0 ? undefined : `the answer ${quote(received)} is not complete`);
};

/**
 * A server that wants a login first answers -NOAUTH, or -NOPERM where the default user may not send PING: it lives.
 * Other errors mean that it serves no client, such as -LOADING, -MASTERDOWN and "-ERR max number of clients reached".
 * https://redis.io/docs/latest/commands/ping/, https://redis.io/docs/latest/operate/oss_and_stack/management/security/acl/
 */
const answerProblem = (line: string): string | undefined =>
  line === '+PONG' || /^-(NOAUTH|NOPERM)( |$)/.test(line)
    ? undefined
    : `the answer is ${quote(line)}, expected "+PONG"`;
