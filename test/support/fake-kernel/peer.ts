import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { Stream } from './fake-stream.ts';

/** What is sent: known at each place, without keeping it. */
const PERIOD = 1_048_573;
const LONGEST = 400_000;
const noise = randomBytes(PERIOD);
const pattern = Buffer.concat([noise, noise.subarray(0, LONGEST)]);

/** A program at the far end of a connection. The first byte that it sends is its number; the rest follows from that. */
export class Peer {
  readonly number: number;
  readonly stream: Stream;
  /** Whose bytes arrive here. */
  sender: Peer | undefined;
  sent = 0;
  received = 0;
  isStalled = false;
  hasFinished = false;
  /** It has reset the connection; what the engine's kernel had got from it by then. */
  hasReset = false;
  arrivedBeforeReset = 0;
  resetAtMs = 0;
  /** The connection had both its ends by then. */
  hasResetOpen = false;
  /** The end, as it saw it. */
  sawFin = false;
  sawReset = false;

  constructor(number: number, stream: Stream) {
    this.number = number;
    this.stream = stream;
  }

  send(bytes: number): void {
    if (this.isOver || this.hasFinished) return;
    if (this.sent === 0 && bytes > 0) this.#write(Buffer.of(this.number));
    for (let left = bytes; left > 0; left -= LONGEST)
      this.#write(bytesOf(this.number, this.sent, Math.min(left, LONGEST)));
  }

  /** A byte that is not one of the stream (tcp(7), SO_OOBINLINE), behind what was sent. */
  sendUrgent(): void {
    const to = this.stream.peer;
    if (this.isOver || this.hasFinished || !to || to.isUnix) return;
    to.mark = this.sent;
    to.onWake();
  }

  finish(): void {
    if (this.isOver || this.hasFinished) return;
    this.hasFinished = true;
    this.stream.shutdown();
  }

  reset(nowMs: number): void {
    if (this.isOver) return;
    this.hasReset = true;
    this.resetAtMs = nowMs;
    this.arrivedBeforeReset = this.stream.peer?.arrived ?? 0;
    this.stream.reset();
  }

  /** What has come is read, all of it unless told otherwise, and looked at. */
  read(peers: readonly Peer[], most = Number.POSITIVE_INFINITY): void {
    for (let left = most; left > 0 && !this.isOver; ) {
      const chunks = this.stream.read(left);
      if (chunks === 0) this.sawFin = true;
      else if (typeof chunks === 'number') this.sawReset = this.stream.isDead;
      if (typeof chunks === 'number') return;
      for (const chunk of chunks) {
        left -= chunk.length;
        this.#look(chunk, peers);
      }
    }
  }

  get isOver(): boolean {
    return this.stream.isClosed || this.sawReset;
  }

  #write(chunk: Buffer): void {
    this.sent += chunk.length;
    this.stream.outbox.push(chunk);
  }

  #look(chunk: Buffer, peers: readonly Peer[]): void {
    const isFirst = this.received === 0;
    if (isFirst) this.#meet(peers[chunk[0] ?? 0]);
    const rest = isFirst ? chunk.subarray(1) : chunk;
    const expected = bytesOf(this.sender?.number ?? 0, this.received + (isFirst ? 1 : 0), rest.length);
    if (!rest.equals(expected))
      assert.fail(
        `peer ${this.number} got ${rest.length} bytes after ${this.received} that are not those sent`,
      );
    this.received += chunk.length;
  }

  #meet(sender: Peer | undefined): void {
    assert.ok(sender, `peer ${this.number} got a byte that nobody has sent`);
    assert.ok(!sender.sender || sender.sender === this, `peer ${sender.number} talks to two`);
    this.sender = sender;
  }
}

const bytesOf = (number: number, at: number, bytes: number): Buffer => {
  const from = (number * 7_919 + at) % PERIOD;
  return pattern.subarray(from, from + bytes);
};
