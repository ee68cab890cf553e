/** What to do next is told whole, over as many lines as it takes. */
export const wrap = (text: string, columns: number, first: string, others: string): string[] => {
  const lines = [first];
  for (const word of text.split(' ')) {
    const line = lines.pop() ?? '';
    const isEmpty = line === first || line === others;
    if (isEmpty || line.length + 1 + word.length <= columns)
      lines.push(isEmpty ? line + word : `${line} ${word}`);
    else lines.push(line, others + word);
  }
  return lines;
};

export const cut = (text: string, columns: number): string => {
  const letters = [...text];
  const width = (upTo: number): number =>
    letters.slice(0, upTo).reduce((sum, letter) => sum + (WIDE.test(letter) ? 2 : 1), 0);
  if (width(letters.length) <= columns) return text;
  const fitting = letters.findIndex((_, at) => width(at + 1) > columns - 1);
  return `${letters.slice(0, fitting).join('')}…`;
};

/** What takes two columns of a terminal: emoji, and East Asian wide letters (UAX 11). */
const WIDE =
  /[\p{Emoji_Presentation}\p{Script=Han}\p{Script=Hangul}\p{Script=Hiragana}\p{Script=Katakana}\u3000-\u303e\uff01-\uff60]/u;
