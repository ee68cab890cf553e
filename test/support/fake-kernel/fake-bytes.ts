/** Bytes in order; those that are passed on are not copied. */
export class ByteQueue {
  size = 0;
  #chunks: Buffer[] = [];

  push(chunk: Buffer): void {
    if (chunk.length === 0) return;
    this.#chunks.push(chunk);
    this.size += chunk.length;
  }

  /** The first `most`, or fewer when there are no more. */
  take(most: number): readonly Buffer[] {
    const taken: Buffer[] = [];
    for (let left = Math.min(most, this.size); left > 0; ) {
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
