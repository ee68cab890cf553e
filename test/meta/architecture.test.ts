import assert from 'node:assert/strict';
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { join, posix } from 'node:path';
import { test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { locateStateDir } from '../../src/system/state-dir.ts';

/** These tests hold the drawings, lists, paths and commands of the pages for contributors against the code. */
const PAGES = ['docs/architecture.md', 'docs/extending.md', 'CONTRIBUTING.md', 'SECURITY.md'];
const ARCHITECTURE = readFileSync('docs/architecture.md', 'utf8');
const DRAWINGS = [...ARCHITECTURE.matchAll(/^## (.+?)$|^```mermaid\n(.*?)^```$/gms)];
const { FLOORS } = (await import(pathToFileURL(join(process.cwd(), 'scripts/floors.js')).href)) as {
  readonly FLOORS: readonly { readonly room: string; readonly isPure: boolean }[];
};
/** The rooms that exist, low to high. */
const ROOMS = FLOORS.filter(({ room }) => existsSync(`src/${room}`));

interface Arrow {
  readonly from: string;
  readonly to: string;
  readonly isDotted: boolean;
}

/** The arrows of a drawing between boxes with a text, in the order of the drawing. */
const arrowsOf = (drawing: string): readonly Arrow[] => {
  const texts = new Map(
    [...drawing.matchAll(/(\w+)\["([^"]+)"\]/g)].map(([, id = '', text = '']) => [id, text]),
  );
  return drawing.split('\n').flatMap((line) => {
    const [first, ...rest] = line
      .trim()
      .replace(/\["[^"]*"\]/g, '')
      .split(/ (-->|-\.->|-- .*? -->|-\. .*? \.->) /);
    let from = texts.get(first ?? '');
    return rest.flatMap((part, index) => {
      const arrow = rest[index - 1];
      if (index % 2 === 0 || arrow === undefined) return [];
      const to = texts.get(part);
      const found =
        from === undefined || to === undefined ? [] : [{ from, to, isDotted: arrow.includes('-.') }];
      from = to;
      return found;
    });
  });
};
const ARROWS = DRAWINGS.flatMap(([, , drawing]) => (drawing === undefined ? [] : arrowsOf(drawing)));
const FILE_ARROWS = ARROWS.filter(({ from, to }) => from.endsWith('.ts') && to.endsWith('.ts'));

/** The files of src/ that a file of src/ imports, for types or at run time. */
const importsOf = (file: string): readonly string[] =>
  [...readFileSync(`src/${file}`, 'utf8').matchAll(/(?:from|import\() ?'(\.[^']+)'/g)].map(([, path = '']) =>
    posix.join(posix.dirname(file), path),
  );

test('a drawing is read: chains, texts on arrows, and dotted arrows', () => {
  const drawing =
    '  a["x.ts"] --> b["y.ts"] -.-> c["z.ts"]\n  c -- "some text" --> a\n  b -. "text" .-> a\n  d --> a\n';
  assert.deepEqual(
    arrowsOf(drawing).map(({ from, to, isDotted }) => `${from} ${isDotted ? '-.' : '--'} ${to}`),
    ['x.ts -- y.ts', 'y.ts -. z.ts', 'z.ts -- x.ts', 'y.ts -. x.ts'],
  );
});

test('every file of a drawing exists, and a solid arrow goes along an import', () => {
  assert.ok(FILE_ARROWS.length > 40);
  const wrong = FILE_ARROWS.filter(({ from, to, isDotted }) => {
    if (!existsSync(`src/${from}`) || !existsSync(`src/${to}`)) return true;
    return !isDotted && !importsOf(from).includes(to) && !importsOf(to).includes(from);
  });
  assert.deepEqual(wrong, []);
});

test('the drawing of the floors has every room, in the order of scripts/floors.js', () => {
  const at = DRAWINGS.findIndex(([, heading]) => heading === 'The floors');
  const boxes = [...(DRAWINGS[at + 1]?.[2] ?? '').matchAll(/\["([^"]+)"\]/g)].map(([, text = '']) => text);
  const rooms = boxes.flatMap((text) => text.split(' · '));
  assert.deepEqual(
    rooms.toReversed(),
    ROOMS.map(({ room }) => room),
  );
});

test('the table of the words has those of CONTRIBUTING.md, and the heartbeat', () => {
  const names = /\*\*Names\.\*\*[^.]*\./.exec(readFileSync('CONTRIBUTING.md', 'utf8'))?.[0] ?? '';
  const words = [...names.matchAll(/\*(\w+)\*[,\s]/g)].map(([, word]) => word);
  const rows = [...ARCHITECTURE.matchAll(/^\| \*\*(\w+)\*\* \| \S/gm)].map(([, word]) => word);
  assert.ok(words.length > 10);
  assert.deepEqual(
    rows.filter((word) => word !== 'heartbeat'),
    words,
  );
});

test('the list of the rooms has every room, in order, and says which are pure', () => {
  const rows = [...ARCHITECTURE.matchAll(/^\| `(\w+)`( \(pure\))? \| \S/gm)];
  assert.deepEqual(
    rows.map(([, room, pure]) => ({ room, isPure: pure !== undefined })),
    ROOMS.map(({ room, isPure }) => ({ room, isPure })),
  );
});

test('the table of the state directory has every file that the code names', () => {
  const { path, monitorSocket, monitorStateFile, countsFile, alertsFile, accessLogFile, portFiles } =
    locateStateDir('/home');
  const { socket, pidFile, failuresFile } = portFiles('<port or socket name>');
  const files = [
    monitorSocket,
    monitorStateFile,
    countsFile,
    alertsFile,
    accessLogFile('<app>'),
    socket,
    pidFile,
    failuresFile,
  ];
  const rows = [...ARCHITECTURE.matchAll(/^\| `([^`]+)`/gm)].map(([, file = '']) => file);
  for (const file of files) assert.ok(rows.includes(posix.relative(path, file)), file);
});

test('every function that docs/extending.md names is in the code', () => {
  const code = readdirSync('src', { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => readFileSync(join('src', path), 'utf8'))
    .join('\n');
  const prose = readFileSync('docs/extending.md', 'utf8').replace(/^```.*?^```$/gms, '');
  const names = [...prose.matchAll(/`([a-z]+[A-Z]\w+)`/g)].map(([, name = '']) => name);
  assert.ok(names.length > 3);
  assert.deepEqual(
    names.filter((name) => !new RegExp(`\\b${name}\\b`).test(code)),
    [],
  );
});

const TEST_FILES = readdirSync('test', { recursive: true, encoding: 'utf8' }).filter((path) =>
  path.endsWith('.test.ts'),
);
const SCRIPTS = Object.keys(JSON.parse(readFileSync('package.json', 'utf8')).scripts);

for (const page of PAGES) {
  const text = readFileSync(page, 'utf8');
  const examples = new Set([...text.matchAll(/^(?:\/\/|\+\+\+) (src\/\S+)$/gm)].map(([, path]) => path));

  test(`every path in ${page} exists`, () => {
    const inText = [...text.matchAll(/`((?:src|test|scripts|docs|bench|observability)\/[\w./-]*)`/g)].map(
      ([, path = '']) => path,
    );
    const links = [...text.matchAll(/\]\((?!https?:|#)([^)#]+)/g)].map(([, path = '']) =>
      posix.join(posix.dirname(page), path),
    );
    const missing = [...inText, ...links].filter((path) => !existsSync(path) && !examples.has(path));
    assert.deepEqual(missing, []);
  });

  test(`every npm script in ${page} exists, and every word after npm test is in the path of a test`, () => {
    const scripts = [...text.matchAll(/npm run ([\w:-]+)/g)].map(([, name = '']) => name);
    assert.deepEqual(
      scripts.filter((name) => !SCRIPTS.includes(name)),
      [],
    );
    const words = [...text.matchAll(/npm test -- ([^`\n#]+)/g)]
      .flatMap(([, list = '']) => list.trim().split(/ +/))
      .filter((word) => /^[a-z]/.test(word));
    assert.deepEqual(
      words.filter((word) => !TEST_FILES.some((path) => path.includes(word))),
      [],
    );
  });
}
