import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import type { Stream } from './fake-stream.ts';

/** The bytes that peers send repeat with this period, so that each position can be verified without keeping the bytes. */
const PERIOD = 1_048_573;
const MAX_CHUNK_BYTES = 400_000;
const NOISE = randomBytes(PERIOD);
const PATTERN = Buffer.concat([NOISE, NOISE.subarray(0, MAX_CHUNK_BYTES)]);

/** A client or an upstream. The first byte that it sends is its number, which determines all further bytes. */
export class Peer {
  readonly number: number;
  readonly stream: Stream;
  /** The peer whose bytes arrive here. */
  sender: Peer | undefined;
  sentBytes = 0;
  receivedBytes = 0;
  isStalled = false;
  hasFinished = false;
  /** The peer has reset the connection, and the engine's kernel had received `arrivedBeforeReset` bytes by then. */
  hasReset = false;
  arrivedBeforeReset = 0;
  resetAt = 0;
  /** The connection to the upstream existed at the reset. */
  wasOpenAtReset = false;
  /** How the stream has ended for the peer. */
  sawFin = false;
  sawReset = false;

  constructor(number: number, stream: Stream) {
    this.number = number;
    this.stream = stream;
  }

  send(bytes: number): void {
    if (this.hasEnded || this.hasFinished) return;
    if (this.sentBytes === 0 && bytes > 0) this.#write(Buffer.of(this.number));
    for (let remaining = bytes; remaining > 0; remaining -= MAX_CHUNK_BYTES)
      this.#write(bytesOf(this.number, this.sentBytes, Math.min(remaining, MAX_CHUNK_BYTES)));
  }

  /** Sends bytes together with a file descriptor (unix(7), SCM_RIGHTS). */
  sendDescriptor(bytes: number): void {
    this.send(bytes);
    const to = this.stream.peer;
    if (to?.isUnix && this.sentBytes > (to.descriptorEnds.at(-1) ?? 0))
      to.descriptorEnds.push(this.sentBytes);
  }

  /** Sends a byte out of band (tcp(7), without SO_OOBINLINE), behind the bytes sent so far. */
  sendUrgent(): void {
    const to = this.stream.peer;
    if (this.hasEnded || this.hasFinished || !to || to.isUnix) return;
    to.urgentOffset = this.sentBytes;
    to.onWake();
  }

  finish(): void {
    if (this.hasEnded || this.hasFinished) return;
    this.hasFinished = true;
    this.stream.shutdown();
  }

  reset(now: number): void {
    if (this.hasEnded) return;
    this.hasReset = true;
    this.resetAt = now;
    this.arrivedBeforeReset = this.stream.peer?.arrivedBytes ?? 0;
    this.stream.reset();
  }

  /** Reads and verifies the bytes that have arrived, `maxBytes` at most. */
  read(peers: readonly Peer[], maxBytes = Number.POSITIVE_INFINITY): void {
    for (let remaining = maxBytes; remaining > 0 && !this.hasEnded; ) {
      const chunks = this.stream.read(remaining);
      if (chunks === 0) this.sawFin = true;
      else if (typeof chunks === 'number') this.sawReset = this.stream.isDead;
      if (typeof chunks === 'number') return;
      for (const chunk of chunks) {
        remaining -= chunk.length;
        this.#verify(chunk, peers);
      }
    }
  }

  get hasEnded(): boolean {
    return this.stream.isClosed || this.sawReset;
  }

  #write(chunk: Buffer): void {
    this.sentBytes += chunk.length;
    this.stream.outbox.push(chunk);
  }

  #verify(chunk: Buffer, peers: readonly Peer[]): void {
    const isFirst = this.receivedBytes === 0;
    if (isFirst) this.#identifySender(peers[chunk[0] ?? 0]);
    const payload = isFirst ? chunk.subarray(1) : chunk;
    const expected = bytesOf(
      this.sender?.number ?? 0,
      this.receivedBytes + (isFirst ? 1 : 0),
      payload.length,
    );
    if (!payload.equals(expected))
      assert.fail(
        `peer ${this.number} got ${payload.length} bytes after ${this.receivedBytes} that are not those sent`,
      );
    this.receivedBytes += chunk.length;
  }

  #identifySender(sender: Peer | undefined): void {
    assert.ok(sender, `peer ${this.number} got a byte that no peer has sent`);
    assert.ok(!sender.sender || sender.sender === this, `peer ${sender.number} talks to two`);
    this.sender = sender;
  }
}

const bytesOf = (number: number, offset: number, bytes: number): Buffer => {
  const start = (number * 7_919 + offset) % PERIOD;
  return PATTERN.subarray(start, start + bytes);
};
