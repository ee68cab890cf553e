/** A Markdown table. A `|` in a cell is escaped, since it would end the cell. */
export const table = (heads, rows) =>
  [heads, heads.map(() => '---'), ...rows]
    .map((cells) => `| ${cells.map((cell) => String(cell).replaceAll('|', '\\|')).join(' | ')} |\n`)
    .join('')
    .replaceAll('|  |', '| |');

export const code = (text) => `\`${text}\``;

export const codeBlock = (text, language = 'text') => `\`\`\`${language}\n${text.trimEnd()}\n\`\`\`\n`;

/** The words of a key in a description become code: "at most intervalMs" names a key. */
export const markKeys = (text, keys) =>
  keys.reduce(
    (marked, key) => marked.replace(new RegExp(`(?<![\`\\w])${key}(?![\`\\w])`, 'g'), `\`${key}\``),
    text,
  );
