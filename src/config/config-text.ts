import { createRequire } from 'node:module';
import type { JSONVisitor, ParseErrorCode } from 'jsonc-parser';

const require = createRequire(import.meta.url);

export type ParsedText =
  | { readonly ok: true; readonly value: unknown }
  | { readonly ok: false; readonly problems: readonly string[] };

/** The maximum number of lists and objects within each other; the config needs 5. Deeper ones would exhaust the stack. */
const MAX_DEPTH = 100;

/**
 * Parses the text of a config file: JSON, which may have a byte order mark, comments and trailing commas.
 * Every proxy reads the config, so jsonc-parser is loaded only to explain what is wrong (docs/decisions.md: ADR-0045).
 * @returns the value, or what is wrong, each with its line: a syntax error, or the keys that are given twice
 */
export const parseConfigText = (text: string): ParsedText => {
  const textWithoutMark = text.replace(/^\ufeff/, '');
  return (
    parsePlainJson(textWithoutMark) ??
    parsePlainJson(toPlainJson(textWithoutMark)) ??
    parseThoroughly(textWithoutMark)
  );
};

/** Parses plain JSON in which no key is given twice; undefined for any other text. */
const parsePlainJson = (text: string): ParsedText | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    return countKeys(value) === countWrittenKeys(text) ? { ok: true, value } : undefined;
  } catch {
    return undefined;
  }
};

/** Removes comments and trailing commas, but not from the texts in quotes. */
const toPlainJson = (text: string): string =>
  text
    .replace(/("[^"\\]*(?:\\.[^"\\]*)*")|\/\/.*|\/\*[\s\S]*?\*\//g, (_, quoted = ' ') => quoted)
    .replace(/("[^"\\]*(?:\\.[^"\\]*)*")|(?<![[{,]\s*),(?=\s*[}\]])/g, (_, quoted = '') => quoted);

/** The number of keys of the objects in a value; NaN when it is nested too deeply. */
const countKeys = (value: unknown, depth = 0): number => {
  if (typeof value !== 'object' || value === null) return 0;
  if (depth === MAX_DEPTH) return Number.NaN;
  const children = Object.values(value);
  return children.reduce<number>(
    (count, child) => count + countKeys(child, depth + 1),
    Array.isArray(value) ? 0 : children.length,
  );
};

/** The number of keys in a JSON text: the texts before a colon. */
const countWrittenKeys = (text: string): number => {
  let count = 0;
  for (const [, colon] of text.matchAll(/"[^"\\]*(?:\\.[^"\\]*)*"(\s*:)?/g)) if (colon) count += 1;
  return count;
};

const JSONC_OPTIONS = { allowTrailingComma: true };

const parseThoroughly = (text: string): ParsedText => {
  const { parse, printParseErrorCode, visit } = require('jsonc-parser') as typeof import('jsonc-parser');
  const problems: string[] = [];
  try {
    visit(text, createVisitor(problems, printParseErrorCode), JSONC_OPTIONS);
  } catch (error) {
    if (!(error instanceof ConfigTextError)) throw error;
    return { ok: false, problems: [error.message] };
  }
  return problems.length > 0 ? { ok: false, problems } : { ok: true, value: parse(text, [], JSONC_OPTIONS) };
};

/** Ends a visit at the first place from which on the text makes no sense. */
class ConfigTextError extends Error {
  constructor(problem: string, line: number, character: number) {
    super(`${problem} (line ${line + 1} column ${character + 1})`);
  }
}

/** @param problems receives the keys that are refused */
const createVisitor = (problems: string[], printErrorCode: (code: ParseErrorCode) => string): JSONVisitor => {
  /** The lists and objects that are open at this place. For each object the keys so far, each with its line. */
  const containers: Map<string, number>[] = [];
  const open = (_offset: number, _length: number, line: number, character: number): void => {
    if (containers.length === MAX_DEPTH)
      throw new ConfigTextError(
        `expected at most ${MAX_DEPTH} lists and objects within each other`,
        line,
        character,
      );
    containers.push(new Map());
  };
  const close = (): void => void containers.pop();
  return {
    onArrayBegin: open,
    onArrayEnd: close,
    onObjectBegin: open,
    onObjectEnd: close,
    onObjectProperty: (key, _offset, _length, line) => {
      const lines = containers.at(-1);
      const firstLine = lines?.get(key);
      if (key === '__proto__') problems.push(`unknown key "__proto__" (line ${line + 1})`);
      else if (firstLine === undefined) lines?.set(key, line);
      else
        problems.push(
          `expected ${JSON.stringify(key)} once; it is in line ${firstLine + 1} and again in line ${line + 1}`,
        );
    },
    onError: (code, _offset, _length, line, character) => {
      throw new ConfigTextError(`expected JSON; ${describeErrorCode(printErrorCode(code))}`, line, character);
    },
  };
};

/** The name of an error code in words: "comma expected" for CommaExpected. */
const describeErrorCode = (name: string): string =>
  name.replace(/(?!^)[A-Z]/g, (letter) => ` ${letter}`).toLowerCase();
