/** Generates numbers from 0 to below 1, the same for the same seed (mulberry32, public domain, by Tommy Ettinger). */
const numbers = (seed) => {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
};

export const createRng = (seed) => {
  const next = numbers(seed);
  return {
    below: (limit) => Math.floor(next() * limit),
    pick: (list) => list[Math.floor(next() * list.length)],
    /** @returns true with the probability 1 / n */
    isOneIn: (n) => next() * n < 1,
  };
};
