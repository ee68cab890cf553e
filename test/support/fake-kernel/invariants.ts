import assert from 'node:assert/strict';
import { isUnixSocket } from '../../../src/lib/address.ts';
import type { ConnectionRecord } from '../../../src/proxy/engine.ts';
import type { Peer } from './peer.ts';
import { OUTSIDE } from './script.ts';
import type { Client, World } from './simulation.ts';

/**
 * Asserts that every ended connection has one record, with a reason that fits what has happened and the bytes that were
 * moved.
 * @param leftAt the instant at which the peers began to close their connections
 */
export const assertConnectionsEnded = (world: World, leftAt: number): void => {
  const counts = world.counters.counts(world.records.length);
  assert.equal(counts.bytesToUpstream, sum(world, 'bytesToUpstream'), 'bytes to the upstream');
  assert.equal(counts.bytesToClient, sum(world, 'bytesToClient'), 'bytes to the clients');
  assert.equal(counts.total, world.records.length, 'a record for each');
  const accepted = world.clients.filter(({ peer }) => peer.stream.peer?.isAccepted);
  for (const client of accepted) {
    const records = recordsOf(world, client);
    if (isUnixSocket(world.setting.listen) && accepted.length > 1) continue;
    assert.ok(records.length === 1 || (client.isCheck && records.length === 0), `${records.length} records`);
    const [record] = records;
    if (record) assertRecordFits(world, client, record, leftAt);
  }
};

/** The upstream's peer of a client; undefined when no byte was forwarded. */
export const findCounterpart = (client: Peer, upstreams: readonly Peer[]): Peer | undefined =>
  upstreams.find((peer) => peer.sender === client || client.sender === peer);

const sum = ({ records }: World, field: 'bytesToUpstream' | 'bytesToClient'): number =>
  records.reduce((bytes, record) => bytes + record[field], 0);

const recordsOf = (world: World, { address }: Client): readonly ConnectionRecord[] =>
  isUnixSocket(world.setting.listen)
    ? world.records
    : world.records.filter(({ client }) => client.port === address.port);

const assertRecordFits = (world: World, client: Client, record: ConnectionRecord, leftAt: number): void => {
  const { peer } = client;
  const counterpart = findCounterpart(peer, world.upstreams);
  const label = `${record.reason} (${record.code}) of client ${peer.number}`;
  assert.ok(isPossible(world, client, counterpart, record), `${label} cannot be`);
  assert.equal(record.bytesToClient, peer.stream.peer?.writtenBytes, `${label}: bytes to the client`);
  if (counterpart)
    assert.equal(
      record.bytesToUpstream,
      counterpart.stream.peer?.writtenBytes,
      `${label}: bytes to the upstream`,
    );
  if (record.reason === 'done') {
    assert.equal(record.bytesToUpstream, bytesSentBy(peer), `${label}: not all was passed on`);
    if (counterpart || readsEverything(peer))
      assert.equal(
        record.bytesToClient,
        counterpart ? bytesSentBy(counterpart) : 0,
        `${label}: not all was passed on`,
      );
    if (counterpart && readsEverything(counterpart))
      assert.equal(counterpart.receivedBytes, bytesSentBy(peer), `${label}: the upstream has not got all`);
    if (readsEverything(peer))
      assert.equal(
        peer.receivedBytes,
        counterpart ? bytesSentBy(counterpart) : 0,
        `${label}: the client has not got all`,
      );
  }
  const isTcp = !isUnixSocket(world.setting.listen) && !isUnixSocket(world.setting.policy.upstream);
  if (isTcp) {
    if (record.reason === 'client_reset' && counterpart) assertResetForwarded(peer, counterpart, leftAt);
    if (record.reason === 'upstream_reset' && counterpart) assertResetForwarded(counterpart, peer, leftAt);
  }
};

/** A peer that resets a unix socket has sent only the bytes that have arrived by then. */
const bytesSentBy = ({ hasReset, stream, sentBytes }: Peer): number =>
  hasReset && stream.isUnix ? (stream.peer?.arrivedBytes ?? 0) : sentBytes;

const readsEverything = ({ isStalled, hasReset }: Peer): boolean => !isStalled && !hasReset;

/** Asserts that a reset is forwarded as a reset, not as an end, and after the bytes before it. */
const assertResetForwarded = (from: Peer, to: Peer, leftAt: number): void => {
  if (!from.wasOpenAtReset || from.hasFinished || to.hasReset || to.isStalled) return;
  assert.ok(to.sawReset && !to.sawFin, `the reset of ${from.number} is not one for ${to.number}`);
  if (from.resetAt === leftAt)
    assert.equal(to.receivedBytes, from.arrivedBeforeReset, `what ${from.number} had sent before its reset`);
};

const isPossible = (
  { setting, routes, faults, hadLookupFailure, upstreams, isDrained }: World,
  { peer, address }: Client,
  counterpart: Peer | undefined,
  { reason, code, totalMs, isConnected }: ConnectionRecord,
): boolean => {
  const { policy, listen } = setting;
  const wasReset = ({ hasReset }: Peer): boolean => hasReset;
  const hasResetWithoutFin = ({ hasReset, hasFinished }: Peer): boolean => hasReset && !hasFinished;
  const isUnixClient = isUnixSocket(listen);
  const isUnixUpstream = isUnixSocket(policy.upstream);
  if (address.host === OUTSIDE && !isUnixClient) return reason === 'not_allowed';
  switch (reason) {
    case 'done':
      return (
        (isUnixClient || !hasResetWithoutFin(peer)) &&
        (isUnixUpstream || !counterpart || !hasResetWithoutFin(counterpart))
      );
    case 'client_reset':
      return peer.hasReset;
    case 'client_gone':
      return !isConnected && (peer.hasReset || peer.hasFinished);
    case 'upstream_reset':
      return counterpart ? counterpart.hasReset : upstreams.some(wasReset);
    case 'upstream_refused':
      return (
        routes.some((route) => ['refused', 'refused at once', 'full', 'unreachable'].includes(route)) ||
        faults.has('connect')
      );
    case 'upstream_unreachable':
      return (
        routes.includes('unreachable') ||
        routes.includes('itself') ||
        faults.has('connect') ||
        faults.has('socket') ||
        faults.has('epollAdd')
      );
    case 'upstream_not_found':
      return hadLookupFailure || (code === 'EAI_AGAIN' && totalMs >= policy.connectTimeoutMs);
    case 'upstream_timeout':
      return !isConnected && totalMs >= policy.connectTimeoutMs;
    case 'idle_timeout':
      return isConnected && policy.idleTimeoutMs > 0 && totalMs >= policy.idleTimeoutMs;
    case 'half_close_timeout':
      return isConnected && policy.halfCloseTimeoutMs > 0 && totalMs >= policy.halfCloseTimeoutMs;
    case 'too_many':
      return policy.maxConnections > 0 || faults.has('epollAdd');
    case 'drained':
      return isDrained;
    case 'io_error':
    case 'loop':
    case 'not_allowed':
      return false;
  }
};
