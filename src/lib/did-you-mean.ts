/**
 * The word with the smallest edit distance to the input, in any case. Undefined when that distance is more than 2 and
 * more than this part of the word: then it is not what was meant.
 * @param tolerance a part of 1; default: a third
 */
export const closestWord = (
  input: string,
  words: readonly string[],
  tolerance = 1 / 3,
): string | undefined => {
  const ranked = words
    .map((word) => ({ word, distance: editDistance(input.toLowerCase(), word.toLowerCase()) }))
    .sort((a, b) => a.distance - b.distance);
  const closest = ranked[0];
  return closest && closest.distance <= Math.max(2, closest.word.length * tolerance)
    ? closest.word
    : undefined;
};

/** The Levenshtein distance; only one row of its table is kept at a time. */
const editDistance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (const [i, left] of [...a].entries()) {
    const next = [i + 1];
    for (const [j, right] of [...b].entries()) {
      const substitute = (row[j] ?? 0) + (left === right ? 0 : 1);
      next.push(Math.min(substitute, (row[j + 1] ?? 0) + 1, (next[j] ?? 0) + 1));
    }
    row = next;
  }
  return row[b.length] ?? 0;
};
