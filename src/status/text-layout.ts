/**
 * Breaks a text at its spaces into lines of at most `columns`, prefix included. A word that is longer gets a line of its own.
 * @param firstPrefix begins the first line, `otherPrefix` the others
 */
export const wrap = (text: string, columns: number, firstPrefix: string, otherPrefix: string): string[] => {
  const lines = [firstPrefix];
  for (const word of text.split(' ')) {
    const line = lines.pop() ?? '';
    const isEmpty = line === firstPrefix || line === otherPrefix;
    if (isEmpty || widthOf(line) + 1 + widthOf(word) <= columns)
      lines.push(isEmpty ? line + word : `${line} ${word}`);
    else lines.push(line.trimEnd(), otherPrefix + word);
  }
  return lines;
};

/** Breaks a line like {@link wrap}; what follows is indented by two more spaces than its beginning. */
export const wrapLine = (line: string, columns: number): string[] => {
  const text = line.trimStart();
  const indent = ' '.repeat(line.length - text.length);
  return wrap(text, columns, indent, `${indent}  `);
};

/** Cuts a text to at most `columns` columns of a terminal, the last of them "…"; a text that fits stays as it is. */
export const truncate = (text: string, columns: number): string => {
  if (widthOf(text) <= columns) return text;
  const characters = [...text];
  const fittingCount = characters.findIndex(
    (_, index) => widthOf(characters.slice(0, index + 1).join('')) > columns - 1,
  );
  return `${characters.slice(0, fittingCount).join('')}…`;
};

/** The columns of a terminal that a text takes. */
const widthOf = (text: string): number =>
  [...text].reduce((sum, character) => sum + (WIDE_CHARACTER.test(character) ? 2 : 1), 0);

/**
 * The characters that take two columns of a terminal: emoji, and East Asian wide letters (UAX 11,
 * https://www.unicode.org/reports/tr11/). The pattern loads 4 MB of ICU's tables, so no proxy process may import this file
 * (docs/decisions.md: ADR-0013).
 */
const WIDE_CHARACTER =
  /[\p{Emoji_Presentation}\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\u3000-\u303e\uff01-\uff60]/u;
