import { readProjectFile } from './sources.js';

/**
 * The comments of a declaration in a TypeScript source, as people read them: the members of a union or a list of
 * texts, or the fields of an interface. The types are gone when a source is compiled, so this reads the text.
 */
const COMMENT = /\/\*\*([\s\S]*?)\*\//;

const bodyOf = (path, start, end) => {
  const source = readProjectFile(path);
  const from = source.indexOf(start);
  if (from < 0) throw new Error(`${path} does not have: ${start}`);
  return source.slice(from + start.length, source.indexOf(end, from));
};

/** A comment as one line, without the names of source files, which are for those who read the code. */
const textOf = (comment) =>
  comment
    .replace(/^\s*\*/gm, '')
    .replace(/\s+/g, ' ')
    .replace(/ \([^()]*\.ts\)/g, '')
    .replace(/\{@link (\w+)\}/g, '$1')
    .trim();

/** @returns the members of `export type NAME = | 'a' | 'b'`, each with its comment. @throws when one has no comment */
export const readUnion = (path, name) =>
  readMembers(
    path,
    name,
    bodyOf(path, `export type ${name} =`, ';\n\n'),
    /(?:(\/\*\*[\s\S]*?\*\/)\s*)?\| '(\w+)'/g,
  );

/** @returns the elements of `const NAME = ['a', 'b'] as const`, each with its comment. @throws when one has no comment */
export const readList = (path, name) =>
  readMembers(
    path,
    name,
    bodyOf(path, `const ${name} = [`, '\n] as const'),
    /(?:(\/\*\*[\s\S]*?\*\/)\s*)?'(\w+)',/g,
  );

/** @returns the text of `export type NAME = …;` */
export const readType = (path, name) => bodyOf(path, `export type ${name} = `, ';\n');

const readMembers = (path, name, body, pattern) =>
  [...body.matchAll(pattern)].map(([, comment, member]) => {
    if (comment === undefined) throw new Error(`${path}: the member ${member} of ${name} has no comment`);
    return { member, text: textOf(COMMENT.exec(comment)[1]) };
  });

/** @returns the fields of `export interface NAME`, each with its type and its comment */
export const readFields = (path, name) => {
  const body = bodyOf(path, `export interface ${name} {`, '\n}');
  return [...body.matchAll(/\/\*\*([\s\S]*?)\*\/\s*readonly (\w+): ([^;]+);/g)].map(
    ([, comment, field, type]) => ({
      field,
      type: type.replace(/\s+/g, ' '),
      text: textOf(comment),
    }),
  );
};
