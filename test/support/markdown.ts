/** A page of the documentation, taken apart as far as the checks need it. Lines count from 1. */
export interface Page {
  /** From the project's root, such as "docs/status.md". */
  readonly path: string;
  readonly text: string;
  readonly headings: readonly { readonly text: string; readonly anchor: string }[];
  readonly links: readonly { readonly target: string; readonly line: number }[];
  readonly blocks: readonly Block[];
  /** The texts between backticks, outside of blocks. */
  readonly codes: readonly { readonly text: string; readonly line: number }[];
}

/** A block of code. */
export interface Block {
  /** The first word after the backticks, such as "json"; '' when there is none. */
  readonly language: string;
  /** The second word, such as "proxy"; '' when there is none. */
  readonly kind: string;
  readonly text: string;
  readonly line: number;
  /** The marker in the line above, such as "unchecked: a drawing"; null when there is none. */
  readonly marker: string | null;
  /** True inside of a generated part, which a test compares with the code. */
  readonly isGenerated: boolean;
}

export const parsePage = (path: string, text: string): Page => {
  const blocks: Block[] = [];
  const proseLines: string[] = [];
  let isGenerated = false;
  let open: { readonly info: readonly string[]; readonly line: number; readonly lines: string[] } | undefined;
  for (const [index, line] of text.split('\n').entries()) {
    if (line.startsWith('<!-- generated: ')) isGenerated = true;
    if (line === '<!-- /generated -->') isGenerated = false;
    const isFence = line.startsWith('```');
    proseLines.push(isFence || open ? '' : line);
    if (open && isFence) {
      const [language = '', kind = ''] = open.info;
      const marker = /^<!-- (.*) -->$/.exec(proseLines[open.line - 2] ?? '')?.[1] ?? null;
      const { line: start, lines } = open;
      blocks.push({ language, kind, text: lines.join('\n'), line: start, marker, isGenerated });
      open = undefined;
    } else if (isFence) open = { info: line.slice(3).trim().split(/\s+/), line: index + 1, lines: [] };
    else open?.lines.push(line);
  }
  return {
    path,
    text,
    headings: parseHeadings(proseLines),
    links: find(proseLines, /\]\(([^()\s]+)\)/g).map(({ text: target, line }) => ({ target, line })),
    blocks,
    codes: find(proseLines, /`([^`]+)`/g).map(({ text: code, line }) => ({
      text: code.replaceAll('\\|', '|'),
      line,
    })),
  };
};

/** The matches' first groups. A match may go over the end of a line; its line is the one where it begins. */
const find = (lines: readonly string[], pattern: RegExp): { text: string; line: number }[] => {
  const text = lines.join('\n');
  return [...text.matchAll(pattern)].map(({ 1: group = '', index }) => ({
    text: group.replace(/\s*\n\s*/g, ' '),
    line: text.slice(0, index).split('\n').length,
  }));
};

/** The anchors are GitHub's: lower case, spaces become "-", other punctuation goes, and a second one gets "-1". */
const parseHeadings = (lines: readonly string[]): Page['headings'] => {
  const counts = new Map<string, number>();
  return lines.flatMap((line) => {
    const text = /^#{1,6} (.*)$/.exec(line)?.[1];
    if (text === undefined) return [];
    const slug = text
      .replace(/\[([^\]]*)\]\([^)]*\)/g, '$1')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}_\- ]/gu, '')
      .replaceAll(' ', '-');
    const count = counts.get(slug) ?? 0;
    counts.set(slug, count + 1);
    return [{ text, anchor: count === 0 ? slug : `${slug}-${count}` }];
  });
};

/** One command of a line of shell: its words, without assignments in front. */
export type ShellCommand = readonly string[];

/** The commands of a shell text: without comments, with continued lines joined, split at `&&`, `||`, `;` and `|`. */
export const parseShell = (text: string): readonly ShellCommand[] =>
  text
    .replace(/\\\n\s*/g, ' ')
    .split('\n')
    .flatMap(splitCommands)
    .map((words) => words.slice(words.findIndex((word) => !/^[A-Z_][A-Z0-9_]*=/.test(word))))
    .filter((words) => words.length > 0);

const TOKEN = /\s*(?:(#.*)|(&&|\|\||[;|&])|((?:'[^']*'|"[^"]*"|\$\([^)]*\)|<[^>]*>|[^\s;|&'"])+))/g;

const splitCommands = (line: string): string[][] => {
  const commands: string[][] = [[]];
  for (const [, comment, operator, word] of line.matchAll(TOKEN)) {
    if (comment !== undefined) break;
    if (operator !== undefined) commands.push([]);
    else if (word !== undefined) commands.at(-1)?.push(word.replace(/^(['"])(.*)\1$/, '$2'));
  }
  return commands.filter((words) => words.length > 0);
};
