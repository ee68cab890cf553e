import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { basename, dirname, posix } from 'node:path';
import { test } from 'node:test';

const FILES = ['src', 'scripts', 'test'].flatMap((root) =>
  readdirSync(root, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => `${root}/${path}`),
);
const SOURCES = FILES.filter((path) => path.startsWith('src/'));

/** A text in quotes comes first, since it may have in it what begins a comment elsewhere. */
const TEXT_OR_COMMENT = /'(?:\\.|[^'\\\n])*'|"(?:\\.|[^"\\\n])*"|(\/\*[\s\S]*?\*\/|(?<!:)\/\/.*)/g;
const URL_IN_TEXT = /https?:\/\/\S+/g;
const TS_PATH = /[\w./-]*\w\.ts\b/g;

/** The paths ending in `.ts` that the comments of a source name, without those in URLs. */
const pathsNamedIn = (source: string): readonly string[] =>
  [...source.matchAll(TEXT_OR_COMMENT)].flatMap(
    ([, comment = '']) => comment.replace(URL_IN_TEXT, '').match(TS_PATH) ?? [],
  );

const withoutComments = (source: string): string =>
  source.replace(TEXT_OR_COMMENT, (match, comment?: string) => (comment === undefined ? match : ''));

/**
 * True when a comment in `file` may name `path`: from the project's root, from src/, from the room, from a folder of the room
 * that the file is in, or as a bare file name that no other file has.
 */
const isSignpost = (path: string, file: string): boolean => {
  const foldersOfFile = dirname(file)
    .split('/')
    .map((_, index, parts) => parts.slice(0, index + 1).join('/'));
  const candidates = [path, ...foldersOfFile.map((folder) => posix.join(folder, path))];
  const isUnique = FILES.filter((name) => basename(name) === path).length === 1;
  return isUnique || candidates.some((candidate) => FILES.includes(candidate));
};

test('no message names a command of PM2 that only a PM2 on the PATH would know', () => {
  const bareCommand = /(?<!npx )\bpm2 (?:delete|kill|list|logs|restart|save|start|startup|stop|unstartup)\b/;
  const named = SOURCES.filter((path) => bareCommand.test(withoutComments(readFileSync(path, 'utf8'))));
  assert.deepEqual(named, []);
});

test('the paths in a comment are found, and those in strings and URLs are not', () => {
  const source = [
    '/** See a/b.ts and c.test.ts, and https://example.org/d.ts. */',
    "const path = 'e.ts'; // f-g.ts",
    "const texts = ['logs/*.log', '// h.ts', \"it's // i.ts\"]; // it's in j.ts",
  ].join('\n');
  assert.deepEqual(pathsNamedIn(source), ['a/b.ts', 'c.test.ts', 'f-g.ts', 'j.ts']);
});

test('a path that no file has, or that several files have, is no signpost', () => {
  const file = 'src/health/remedy.ts';
  const paths = [
    'lib/duration.ts',
    'reducer.ts',
    'remedy.ts',
    'app-names.ts',
    'registry.ts',
    'lib/gone.ts',
    'gone.ts',
  ];
  assert.deepEqual(
    paths.filter((path) => !isSignpost(path, file)),
    ['registry.ts', 'lib/gone.ts', 'gone.ts'],
  );
});

test('every file that a comment in src/ names exists', () => {
  const wrong = SOURCES.flatMap((file) =>
    pathsNamedIn(readFileSync(file, 'utf8'))
      .filter((path) => !isSignpost(path, file))
      .map((path) => `${file}: ${path}`),
  );
  assert.deepEqual(wrong, []);
});
