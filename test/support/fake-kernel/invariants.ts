import assert from 'node:assert/strict';
import { isUnixSocket } from '../../../src/lib/address.ts';
import type { ConnectionRecord } from '../../../src/proxy/engine.ts';
import type { Peer } from './peer.ts';
import { OUTSIDE } from './script.ts';
import type { Client, World } from './simulation.ts';

/**
 * Of all connections that are over: one record each, with a reason that fits what has happened, and the bytes that have
 * moved.
 * @param leftAtMs when everybody said goodbye
 */
export const endsRightly = (world: World, leftAtMs: number): void => {
  const counts = world.cells.counts(world.records.length);
  assert.equal(counts.bytesToUpstream, sum(world, 'bytesToUpstream'), 'bytes to the upstream');
  assert.equal(counts.bytesToClient, sum(world, 'bytesToClient'), 'bytes to the clients');
  assert.equal(counts.total, world.records.length, 'a record for each');
  const accepted = world.clients.filter(({ peer }) => peer.stream.peer?.isAccepted);
  for (const client of accepted) {
    const records = recordsOf(world, client);
    if (isUnixSocket(world.setting.listen) && accepted.length > 1) continue;
    assert.ok(records.length === 1 || (client.isCheck && records.length === 0), `${records.length} records`);
    const [record] = records;
    if (record) fits(world, client, record, leftAtMs);
  }
};

/** Undefined: no byte has come through. */
export const farEnd = (client: Peer, upstreams: readonly Peer[]): Peer | undefined =>
  upstreams.find((one) => one.sender === client || client.sender === one);

const sum = ({ records }: World, field: 'bytesToUpstream' | 'bytesToClient'): number =>
  records.reduce((bytes, record) => bytes + record[field], 0);

const recordsOf = (world: World, { from }: Client): readonly ConnectionRecord[] =>
  isUnixSocket(world.setting.listen)
    ? world.records
    : world.records.filter(({ client }) => client.port === from.port);

const fits = (world: World, client: Client, record: ConnectionRecord, leftAtMs: number): void => {
  const { peer } = client;
  const far = farEnd(peer, world.upstreams);
  const what = `${record.reason} (${record.code}) of client ${peer.number}`;
  assert.ok(isPossible(world, client, far, record), `${what} cannot be`);
  assert.equal(record.bytesToClient, peer.stream.peer?.written, `${what}: bytes to the client`);
  if (far) assert.equal(record.bytesToUpstream, far.stream.peer?.written, `${what}: bytes to the upstream`);
  if (record.reason === 'done') {
    assert.equal(record.bytesToUpstream, sentBy(peer), `${what}: not all was passed on`);
    if (far || takesAll(peer))
      assert.equal(record.bytesToClient, far ? sentBy(far) : 0, `${what}: not all was passed on`);
    if (far && takesAll(far))
      assert.equal(far.received, sentBy(peer), `${what}: the upstream has not got all`);
    if (takesAll(peer))
      assert.equal(peer.received, far ? sentBy(far) : 0, `${what}: the client has not got all`);
  }
  const isTcp = !isUnixSocket(world.setting.listen) && !isUnixSocket(world.setting.policy.upstream);
  if (isTcp) {
    if (record.reason === 'client_reset' && far) isPassedOn(peer, far, leftAtMs);
    if (record.reason === 'upstream_reset' && far) isPassedOn(far, peer, leftAtMs);
  }
};

/** Who closes a unix socket has sent what the other end has got by then. */
const sentBy = ({ hasReset, stream, sent }: Peer): number =>
  hasReset && stream.isUnix ? (stream.peer?.arrived ?? 0) : sent;

const takesAll = ({ isStalled, hasReset }: Peer): boolean => !isStalled && !hasReset;

/** A reset: not as an end, and after what had come before it. */
const isPassedOn = (from: Peer, to: Peer, leftAtMs: number): void => {
  if (!from.hasResetOpen || from.hasFinished || to.hasReset || to.isStalled) return;
  assert.ok(to.sawReset && !to.sawFin, `the reset of ${from.number} is not one for ${to.number}`);
  if (from.resetAtMs === leftAtMs)
    assert.equal(to.received, from.arrivedBeforeReset, `what ${from.number} had sent before its reset`);
};

const isPossible = (
  { setting, routes, faults, wasUnknown, upstreams, isDrained }: World,
  { peer, from }: Client,
  far: Peer | undefined,
  { reason, totalMs, isConnected }: ConnectionRecord,
): boolean => {
  const { policy, listen } = setting;
  const isReset = (one: Peer): boolean => one.hasReset;
  const isRude = (one: Peer): boolean => one.hasReset && !one.hasFinished;
  const [isUnixClient, isUnixUpstream] = [isUnixSocket(listen), isUnixSocket(policy.upstream)];
  if (from.host === OUTSIDE && !isUnixClient) return reason === 'not_allowed';
  switch (reason) {
    case 'done':
      return (isUnixClient || !isRude(peer)) && (isUnixUpstream || !far || !isRude(far));
    case 'client_reset':
      return peer.hasReset;
    case 'client_gone':
      return !isConnected && (peer.hasReset || peer.hasFinished);
    case 'upstream_reset':
      return far ? far.hasReset : upstreams.some(isReset);
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
      return wasUnknown;
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
    case 'loop':
    case 'not_allowed':
      return false;
  }
};
