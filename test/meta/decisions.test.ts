import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { test } from 'node:test';

/** These tests keep docs/decisions.md in order, and the code that cites its decisions true. */
const DECISIONS = readFileSync('docs/decisions.md', 'utf8');
const [INDEX = '', ...TOPICS] = DECISIONS.split(/^## /m);

/** The decisions in the order of the file. */
const PARSED = DECISIONS.split(/^### /m)
  .slice(1)
  .map((section) => {
    const [heading = '', ...paragraphs] = section.split(/^## /m, 1).join('').split('\n\n');
    return { heading, number: heading.slice(0, 8), paragraphs };
  });
const NUMBERS = PARSED.map(({ number }) => number);

/** The anchor that GitHub gives a heading. */
const anchorOf = (heading: string): string =>
  heading
    .toLowerCase()
    .replace(/[^\w\- ]/g, '')
    .replaceAll(' ', '-');

const CITING = ['src', 'test', 'scripts', 'bench', 'docs', 'observability']
  .flatMap((root) =>
    readdirSync(root, { recursive: true, encoding: 'utf8' }).map((path) => `${root}/${path}`),
  )
  .concat(readdirSync('.').filter((path) => path.endsWith('.md')))
  .filter((path) => /\.(ts|js|py|md|yml)$/.test(path) && !path.includes('node_modules/'))
  .filter((path) => path !== 'test/meta/decisions.test.ts');

/** The numbers that a text cites. */
const citedIn = (text: string): readonly string[] => text.match(/\bADR-\d+/g) ?? [];

test('each decision has a number of its own, a status, a date and a decision', () => {
  assert.ok(NUMBERS.length > 0);
  assert.equal(new Set(NUMBERS).size, NUMBERS.length);
  for (const { heading, paragraphs } of PARSED) {
    assert.match(heading, /^ADR-\d{4} \S/);
    assert.match(paragraphs[0] ?? '', /^(Accepted|Superseded by ADR-\d{4}), \d{4}-\d\d-\d\d\.( |$)/, heading);
    assert.match(paragraphs[1] ?? '', /^\*\*Decision\.\*\* \S/, heading);
    assert.ok(paragraphs.length > 2, `${heading} has reasons`);
  }
});

test('the index has each topic and each decision, in the order of the file', () => {
  const expected = TOPICS.map((topic) => [
    `**${topic.split('\n')[0]}**`,
    ...[...topic.matchAll(/^### (.+)$/gm)].map(([, heading = '']) => `- [${heading}](#${anchorOf(heading)})`),
  ]);
  const entries = INDEX.split('\n').filter((line) => /^(\*\*|- \[)/.test(line));
  assert.deepEqual(entries, expected.flat());
});

test('every decision that a file cites exists', () => {
  const wrong = CITING.flatMap((path) =>
    citedIn(readFileSync(path, 'utf8'))
      .filter((number) => !NUMBERS.includes(number))
      .map((number) => `${path}: ${number}`),
  );
  assert.deepEqual(wrong, []);
});

test('a comment that names docs/decisions.md cites a number', () => {
  const wrong = CITING.filter((path) => /\.(ts|js|py)$/.test(path)).filter((path) => {
    const text = readFileSync(path, 'utf8').replace(/\s*\n\s*(\*|\/\/) /g, ' ');
    return [...text.matchAll(/docs\/decisions\.md(.{0,10})/g)].some(
      ([, next = '']) => !/^: ADR-\d{4}/.test(next),
    );
  });
  assert.deepEqual(wrong, []);
});

test('the numbers of a text are found', () => {
  assert.deepEqual(citedIn('(docs/decisions.md: ADR-0001) and ADR-9999.'), ['ADR-0001', 'ADR-9999']);
});
