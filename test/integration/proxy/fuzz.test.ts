import assert from 'node:assert/strict';
import { randomInt } from 'node:crypto';
import { EventEmitter, once } from 'node:events';
import type { Socket } from 'node:net';
import { test } from 'node:test';
import type { ConnectionRecord } from '../../../src/proxy/engine.ts';
import { fuzzAtOnce } from '../../support/fuzz.ts';
import { type Script, ScriptedConnection, scripts } from '../../support/proxy/connection-script.ts';
import { forEachEngine, type Rig, serve } from '../../support/proxy/proxy-harness.ts';
import { withTcpMemory } from '../../support/tcp-memory.ts';
import { within } from '../../support/until.ts';

const RUNS = 300;
const AT_ONCE = 64;

forEachEngine((name, rig) =>
  test(`no script of both sides makes the ${name} engine lose, repeat or reorder a byte`, async (t) => {
    const accepted = new EventEmitter();
    // No other program connects there.
    const host = `127.${randomInt(1, 255)}.${randomInt(255)}.${randomInt(1, 255)}`;
    const upstream = await serve(t, (socket) => accepted.emit('socket', socket), { host });
    const opened = await rig(t, upstream, {}, { host, port: 0 });
    const open = createOpener(opened, accepted);
    const records = createRecordsByPort(opened);
    let connections = 0;
    const attempt = async (script: Script): Promise<void> => {
      const sockets = await open();
      connections += 1;
      const connection = new ScriptedConnection(script, ...sockets);
      try {
        await within(connection.run(records.of(sockets[0])), 'the connection has ended');
        connection.verify();
      } catch (error) {
        const others = `records of other clients: ${JSON.stringify(records.others())}`;
        throw new Error([(error as Error).message, connection.describe(), others].join('\n'), {
          cause: error,
        });
      }
    };
    await fuzzAtOnce(scripts, RUNS, AT_ONCE, (script) => withTcpMemory(() => attempt(script)));
    assert.deepEqual(records.others(), []);
    const { active, waitingForUpstream } = opened.engine.counts();
    assert.deepEqual([active, waitingForUpstream, opened.records.length], [0, 0, connections]);
  }),
);

/** @returns a function that opens a connection, one after the other, so that both its ends are known */
const createOpener = ({ dial, records }: Rig, accepted: EventEmitter) => {
  let previous: Promise<unknown> = Promise.resolve();
  const open = async (): Promise<[Socket, Socket]> => {
    const client = dial();
    const arrival = once(accepted, 'socket');
    const failure = once(client, 'close').then(() => {
      throw new Error(`closed before it arrived: ${JSON.stringify(records.at(-1))}`);
    });
    const [, [upstream]] = await within(
      Promise.race([Promise.all([once(client, 'connect'), arrival]), failure]),
      'the connection has arrived at the upstream',
    );
    return [client, upstream as Socket];
  };
  return (): Promise<[Socket, Socket]> => {
    const opened = previous.then(open);
    previous = opened.catch(() => {});
    return opened;
  };
};

/** Joins each record with its client by the client's port. A connection may have its record before its ends are known. */
const createRecordsByPort = ({ record }: Rig) => {
  const arrived = new Map<number | undefined, ConnectionRecord>();
  const waiting = new Map<number | undefined, (record: ConnectionRecord) => void>();
  const passOn = async (): Promise<never> => {
    for (let n = 0; ; n += 1) {
      const next = await record(n);
      const done = waiting.get(next.client.port);
      waiting.delete(next.client.port);
      if (done) done(next);
      else arrived.set(next.client.port, next);
    }
  };
  void passOn();
  return {
    of: ({ localPort }: Socket) =>
      new Promise<ConnectionRecord>((done) => {
        const record = arrived.get(localPort);
        arrived.delete(localPort);
        if (record) done(record);
        else waiting.set(localPort, done);
      }),
    /** The records that are no client's. */
    others: () => [...arrived.values()],
  };
};
