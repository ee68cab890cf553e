import assert from 'node:assert/strict';
import type { Socket } from 'node:net';
import fc from 'fast-check';
import type { ConnectionRecord } from '../../../src/proxy/engine.ts';

/** Write a number of bytes, send FIN or RST, stop or go on reading. */
type Op = number | 'shutdown' | 'stall' | 'resume' | 'reset';

interface Step {
  readonly side: 'client' | 'upstream';
  readonly op: Op;
}

export type Script = readonly Step[];

const step: fc.Arbitrary<Step> = fc.record({
  side: fc.constantFrom('client', 'upstream'),
  op: fc.oneof(
    { weight: 6, arbitrary: fc.nat({ max: 200_000 }) },
    { weight: 2, arbitrary: fc.constantFrom('shutdown' as const, 'stall' as const, 'resume' as const) },
    { weight: 1, arbitrary: fc.constant('reset' as const) },
  ),
});

/** What the two sides of a connection do, a step in each turn of the event loop. */
export const scripts: fc.Arbitrary<Script> = fc.array(step, { maxLength: 12 });

interface Side {
  readonly socket: Socket;
  readonly sent: Buffer[];
  readonly received: Buffer[];
  readonly closed: Promise<unknown>;
  /** Whether this side sent its FIN before any reset of the peer. */
  hasFinished: boolean;
  /** A reset after this side's own FIN need not be noticed: nothing more is expected from this side. */
  reset: 'no' | 'open' | 'after its FIN';
  /** The end or the error that the socket has reported. */
  saw: string;
}

/** Runs a script on both sides of one connection through a proxy. At its end both sides read everything and send FIN. */
export class ScriptedConnection {
  readonly #script: Script;
  readonly #client: Side;
  readonly #upstream: Side;
  #record: ConnectionRecord | undefined;

  constructor(script: Script, client: Socket, upstream: Socket) {
    this.#script = script;
    this.#client = observe(client);
    this.#upstream = observe(upstream);
  }

  async run(record: Promise<ConnectionRecord>): Promise<void> {
    const sides = [this.#client, this.#upstream];
    for (const { side, op } of this.#script) {
      act(side === 'client' ? this.#client : this.#upstream, op);
      await new Promise((done) => setImmediate(done));
    }
    for (const side of sides) act(side, 'resume');
    for (const { socket } of sides) socket.end();
    this.#record = await record;
    await Promise.all(sides.map(({ closed }) => closed));
  }

  /** Asserts that no byte was lost, repeated or reordered, and that the record tells how the connection has ended. */
  verify(): void {
    const [client, upstream] = [this.#client, this.#upstream];
    const reason = this.#record?.reason ?? '';
    const isReset = client.reset !== 'no' || upstream.reset !== 'no';
    if (!isReset) assert.equal(reason, 'done');
    for (const [from, to] of [
      [client, upstream],
      [upstream, client],
    ] as const) {
      if (from.reset === 'open' && !to.hasFinished && to.reset === 'no') assert.match(reason, /_reset$/);
      const sent = Buffer.concat(from.sent);
      const received = Buffer.concat(to.received);
      assert.ok(sent.subarray(0, received.length).equals(received), 'what arrived is not how it was sent');
      if (!isReset) assert.equal(received.length, sent.length);
    }
  }

  /** Everything that the test knows of the connection, for a report of its failure. */
  describe(): string {
    const record = this.#record;
    return [
      record ? `record: ${record.reason}, ${record.code}, ${record.totalMs} ms` : 'no record',
      ...describeSide('client', this.#client),
      ...describeSide('upstream', this.#upstream),
      `script: ${this.#script.map(({ side, op }) => `${side} ${op}`).join(', ')}`,
    ].join('\n');
  }
}

const describeSide = (name: string, { socket, sent, received, hasFinished, reset, saw }: Side): string[] => [
  `${name}: sent ${lengthOf(sent)} bytes, received ${lengthOf(received)}, saw ${saw}`,
  `  reset: ${reset}, FIN in the script: ${hasFinished}, written: ${socket.bytesWritten}, closed: ${socket.closed}`,
];

const lengthOf = (chunks: readonly Buffer[]): number => chunks.reduce((sum, { length }) => sum + length, 0);

const observe = (socket: Socket): Side => {
  const closed = new Promise((done) => socket.once('close', done));
  const side: Side = {
    socket,
    sent: [],
    received: [],
    closed,
    hasFinished: false,
    reset: 'no',
    saw: 'nothing',
  };
  socket.on('data', (chunk: Buffer) => side.received.push(chunk));
  socket.on('end', () => {
    side.saw = 'an end';
  });
  socket.on('error', (error: NodeJS.ErrnoException) => {
    side.saw = error.code ?? error.message;
  });
  return side;
};

let salt = 0;

const act = (side: Side, op: Op): void => {
  const { socket } = side;
  if (op === 'stall') socket.pause();
  else if (op === 'resume') socket.resume();
  else if (op === 'shutdown') {
    side.hasFinished = true;
    socket.end();
  } else if (op === 'reset') {
    if (!socket.destroyed) side.reset = socket.writableEnded ? 'after its FIN' : 'open';
    socket.resetAndDestroy();
  } else if (!socket.writableEnded && !socket.destroyed) {
    salt += 1;
    const bytes = Buffer.alloc(op, `${salt},`);
    side.sent.push(bytes);
    socket.write(bytes);
  }
};
