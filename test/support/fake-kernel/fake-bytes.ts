/** A queue of bytes that passes its chunks on without copying them. */
export class ByteQueue {
  size = 0;
  #chunks: Buffer[] = [];

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.size += chunk.length;
  }

  /** Removes the first `maxBytes`, or all bytes where there are fewer. */
  take(maxBytes: number): readonly Buffer[] {
    const taken: Buffer[] = [];
    for (let left = Math.min(maxBytes, this.size); left > 0; ) {
      const [first] = this.#chunks;
      if (!first) break;
      const chunk = first.subarray(0, left);
      taken.push(chunk);
      left -= chunk.length;
      this.size -= chunk.length;
      if (chunk.length === first.length) this.#chunks.shift();
      else this.#chunks[0] = first.subarray(chunk.length);
    }
    return taken;
  }

  clear(): void {
    this.#chunks = [];
    this.size = 0;
  }
}
