import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, test } from 'node:test';
import { pathToFileURL } from 'node:url';
import { webhookBody } from '../../src/alerting/channels/webhook.ts';
import { notificationSchema } from '../../src/alerting/policy/notification.ts';
import { alertsConfig } from '../support/alerting/fake-receivers.ts';
import { message, notification } from '../support/alerting/notification-samples.ts';
import {
  checkBlocks,
  checkCodes,
  checkLinks,
  checkNamedFiles,
  checkShell,
  findUnreachable,
} from '../support/docs-checks.ts';
import { proxyStatus, snapshotOf } from '../support/health/status-samples.ts';
import { type Page, parsePage, parseShell } from '../support/markdown.ts';
import { needs, needsProgram } from '../support/requirements.ts';
import { tempFolder } from '../support/temp-dir.ts';

/** Tests run in the project's root. README.md comes first: the others are to be reached from it. */
const read = (path: string): Page => parsePage(path, readFileSync(path, 'utf8'));
const listPages = (folder: string): readonly string[] =>
  readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.md'))
    .map((name) => join(folder, name))
    .sort();
const ROOT_PAGES = readdirSync('.').filter((name) => name.endsWith('.md') && name !== 'README.md');
const PAGES = ['README.md', ...ROOT_PAGES, ...listPages('docs'), 'bench/RESULTS.md', 'bench/CHAOS.md'].map(
  read,
);
const pageOf = (path: string): Page => PAGES.find((page) => page.path === path) ?? read(path);

for (const page of PAGES)
  describe(page.path, () => {
    test('its links lead to files and headings that exist', () => {
      assert.deepEqual(checkLinks(page, PAGES), []);
    });
    test('the files that it names exist', () => {
      assert.deepEqual(checkNamedFiles(page), []);
    });
    // The others record what was, and what was rejected.
    if (/^(README|CONTRIBUTING|SECURITY|docs\/(?!decisions))/.test(page.path))
      test('its commands and examples are accepted by the code', () => {
        assert.deepEqual([...checkBlocks(page), ...checkCodes(page)], []);
      });
  });

test('every page can be reached from README.md', () => {
  assert.deepEqual(findUnreachable(PAGES), []);
});

const { fillPage } = (await import(
  pathToFileURL(join(process.cwd(), 'scripts/generate/docs-pages.js')).href
)) as {
  readonly fillPage: (page: string) => string;
};
const { makeDocsTables } = (await import(
  pathToFileURL(join(process.cwd(), 'scripts/generate/docs-tables.js')).href
)) as { readonly makeDocsTables: () => Readonly<Record<string, string>> };

test('a part that nobody generates, or that has no end, is refused', () => {
  const end = '<!-- /generated -->';
  assert.match(
    fillPage(`a\n<!-- generated: states -->\nold\n${end}\nb`),
    /^a\n.*\n\n\| State [\s\S]*\n\n<.*>\nb$/,
  );
  assert.throws(
    () => fillPage(`<!-- generated: stats -->\n${end}`),
    /no generator is called "stats"; there is: /,
  );
  assert.throws(() => fillPage('<!-- generated: states -->\n'), /a generated part has no end/);
});

test('each part that is generated is on a page', () => {
  const text = PAGES.map((page) => page.text).join('\n');
  const names = Object.keys(makeDocsTables());
  assert.ok(names.length > 10, `${names.length}`);
  assert.deepEqual(
    names.filter((name) => !text.includes(`<!-- generated: ${name} -->`)),
    [],
  );
});

test('README.md has at most 50 lines', () => {
  const lines = pageOf('README.md').text.trimEnd().split('\n').length;
  assert.ok(lines <= 50, `${lines} lines`);
});

test('each page of docs/ has a question as its title, by which docs/README.md lists it', () => {
  const pages = PAGES.filter(({ path }) => path.startsWith('docs/'));
  const titled = pages.map((page) => ({ path: page.path, title: /^# (.+\?)\n/.exec(page.text)?.[1] }));
  assert.deepEqual(
    titled.filter(({ title }) => title === undefined),
    [],
  );
  const { text } = pageOf('docs/README.md');
  const unlisted = titled.filter(
    ({ path, title }) =>
      path !== 'docs/README.md' && !text.includes(`[${title}](${path.replace('docs/', '')})`),
  );
  assert.deepEqual(unlisted, []);
});

test('a page that is found by its question is short enough to be read', () => {
  const isReference = (path: string): boolean => /^(bench\/|CHANGELOG|docs\/decisions)/.test(path);
  const long = PAGES.filter(({ path, text }) => !isReference(path) && Buffer.byteLength(text) > 20_000);
  assert.deepEqual(
    long.map(({ path }) => path),
    [],
  );
});

test('every page that the sources and settings name exists', () => {
  const files = ['src', 'scripts']
    .flatMap((folder) =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
    )
    .filter((path) => /\.(ts|js)$/.test(path));
  const named = [...files, '.env.example', 'package.json'].flatMap((path) =>
    [...readFileSync(path, 'utf8').matchAll(/\bdocs\/[\w/-]+\.md\b/g)].map(([page]) => `${path}: ${page}`),
  );
  const paths = PAGES.map(({ path }) => path);
  assert.ok(named.length > 0);
  assert.deepEqual(
    named.filter((name) => !paths.includes(name.split(': ')[1] ?? '')),
    [],
  );
});

test('docs/json.md names every field of the JSON', () => {
  const incident = { startedAt: 0, endedAt: null, cause: 'hung', actions: [] } as const;
  const channels = [{ name: 'slack', waiting: 0, problem: null }];
  const snapshot = snapshotOf(proxyStatus({ incidents: [incident] }));
  const { monitor } = snapshot;
  const sample = { ...snapshot, monitor: { ...monitor, alerts: { ...monitor?.alerts, channels } } };
  const { text } = pageOf('docs/json.md');
  const missing = [...new Set(keysIn(sample))].filter((key) => !new RegExp(`\`${key}(\\[\\])?\``).test(text));
  assert.deepEqual(missing, []);
});

const keysIn = (value: unknown): readonly string[] => {
  if (typeof value !== 'object' || value === null) return [];
  const keys = Array.isArray(value) ? [] : Object.keys(value);
  return [...keys, ...Object.values(value).flatMap(keysIn)];
};

const SOURCES = readdirSync('src', { recursive: true, encoding: 'utf8' })
  .filter((path) => path.endsWith('.ts'))
  .map((path) => readFileSync(join('src', path), 'utf8'))
  .join('\n');

test('docs/logs.md has every event of the log, and the words with which it is written', () => {
  const calls = SOURCES.matchAll(
    /\b(?:\w*[lL]og|logAction)\(\s*(?:[^'"`(),;]*\? )?['`]([\w${}]+)['`](?:\s*: '(\w+)')?/g,
  );
  const fileSinkEvents = /type FileSinkEvent = ([^;]+);/.exec(SOURCES)?.[1]?.match(/\w+/g) ?? [];
  const events = [...calls]
    .flatMap(([, event, otherwise]) => [event, otherwise])
    .filter((event) => event !== undefined)
    .flatMap((event) =>
      event.includes('$') ? fileSinkEvents.map((kind) => event.replace(/\$.*/, kind)) : [event],
    );
  const { text } = pageOf('docs/logs.md');
  const tables = text.slice(
    text.indexOf('## What does a line of the monitor mean?'),
    text.indexOf('## Which connections'),
  );
  const rows = [...tables.matchAll(/^\| (`[a-z].*?) \| (.*) \|$/gm)].slice(1);
  const listed = rows.flatMap(([, names = '']) => names.match(/\w+/g) ?? []);
  assert.deepEqual(listed.filter((name) => name !== 'event').toSorted(), [...new Set(events)].toSorted());
  // What the code fills in is left out of the texts: what remains of two words or more is in the code.
  const value =
    /port \d+|10 min|(?:by )?pid \d+ \(…\)|https?:\S*|…\/\S*|(?:listen )?E[A-Z]+: [^;]*|\bslack\b|[^A-Za-z' ]+/;
  const phrases = rows.flatMap(([, , cell = '']) =>
    [...cell.matchAll(/`([^`]+)`/g)].flatMap(([, line = '']) => line.split(value)),
  );
  const missing = phrases
    .map((phrase) => phrase.trim())
    .filter((phrase) => phrase.includes(' ') && !SOURCES.includes(phrase));
  assert.deepEqual(missing, []);
});

test('docs/alerts.md has every kind of notification', () => {
  const { text } = pageOf('docs/alerts.md');
  const section = text.slice(text.indexOf('## What is announced?'), text.indexOf('## Why does the message'));
  const listed = [...section.matchAll(/^\| `(\w+)` \|/gm)].map(([, kind]) => kind);
  const kinds = notificationSchema.entries.kind.options;
  assert.deepEqual(listed.toSorted(), kinds.filter((kind) => kind !== 'test').toSorted());
});

test('docs/alerts.md lists the labels and annotations of an alert, and says how long a message waits', () => {
  const { text } = pageOf('docs/alerts.md');
  const listed = [...text.matchAll(/^\| (label|annotation) \| `(\w+)` \|/gm)].map(
    ([, kind, name]) => `${kind} ${name}`,
  );
  const [alert] = webhookBody(message(notification()), null).alerts;
  assert.deepEqual(listed.toSorted(), [
    ...Object.keys(alert?.annotations ?? {})
      .map((name) => `annotation ${name}`)
      .toSorted(),
    ...Object.keys(alert?.labels ?? {})
      .map((name) => `label ${name}`)
      .toSorted(),
  ]);
  const { groupWaitMs } = alertsConfig();
  assert.match(text, new RegExp(`\`groupWaitMs\` \\(${groupWaitMs / 1_000} s\\)`));
});

test('docs/metrics.md names every alert and record of the rules', () => {
  const rules = readFileSync('observability/rules.yml', 'utf8');
  const names = [...rules.matchAll(/^\s*(?:- )?(?:alert|record): (\S+)$/gm)].map(([, name]) => `${name}`);
  const named = pageOf('docs/metrics.md').codes.map(({ text }) => text);
  assert.ok(names.length > 20, `${names.length}`);
  assert.deepEqual(
    names.filter((name) => !named.includes(name)),
    [],
  );
});

test('docs/configuration.md and docs/alerts.md name every variable of .env.example', () => {
  const names = [...readFileSync('.env.example', 'utf8').matchAll(/^# ([A-Z_]+)=/gm)].map(
    ([, name]) => `${name}`,
  );
  const named = ['docs/configuration.md', 'docs/alerts.md'].flatMap((path) =>
    pageOf(path).codes.map(({ text }) => text),
  );
  assert.ok(names.length > 5, `${names.length}`);
  assert.deepEqual(
    names.filter((name) => !named.includes(name)),
    [],
  );
});

test('the error texts in the headings of docs/troubleshooting.md are those of the code', () => {
  const folders = ['src', 'node_modules/pm2/lib'];
  const sources = folders
    .flatMap((folder) =>
      readdirSync(folder, { recursive: true, encoding: 'utf8' }).map((name) => join(folder, name)),
    )
    .filter((path) => /\.(ts|js)$/.test(path));
  const code = [...sources, 'package.json'].map((path) => readFileSync(path, 'utf8')).join('\n');
  const quoted = pageOf('docs/troubleshooting.md').headings.flatMap(({ text }) =>
    [...text.matchAll(/"([^"]+)"|`([^`]+)`/g)].map(([, quote, name]) => quote ?? name ?? ''),
  );
  const missing = quoted
    .flatMap((text) => text.split('…').map((part) => part.trim()))
    .filter((part) => !code.includes(part));
  assert.ok(quoted.length > 10, `${quoted.length}`);
  assert.deepEqual(missing, []);
});

test("the example for Prometheus's config is accepted", {
  skip: needs(needsProgram('promtool', 'prometheus')),
}, () => {
  const block = pageOf('docs/metrics.md').blocks.find(({ language }) => language === 'yaml');
  const file = join(tempFolder(), 'prometheus.yml');
  writeFileSync(file, block?.text.replaceAll('/path/to/steadyport', process.cwd()) ?? '');
  const { status, stdout, stderr } = spawnSync('promtool', ['check', 'config', file], { encoding: 'utf8' });
  assert.equal(status, 0, stdout + stderr);
  assert.match(stdout, /1 rule files found/);
});

/** A page of these lines, to prove that the checks find what is wrong. */
const planted = (...lines: readonly string[]): Page => parsePage('docs/planted.md', lines.join('\n'));
const block = (info: string, text: string): Page => planted(`\`\`\`${info}`, text, '```');

describe('the checks find planted mistakes', () => {
  test('links to files and headings that do not exist', () => {
    const page = planted(
      '# A `b_c`, d?',
      '[ok](#a-b_c-d)',
      '[gone](gone.md)',
      '[no](status.md#no-such-heading)',
    );
    assert.deepEqual(checkLinks(page, [...PAGES, page]), [
      'docs/planted.md:3: there is no docs/gone.md',
      'docs/planted.md:4: docs/status.md has no heading #no-such-heading',
    ]);
  });

  test('a link that goes over the end of a line', () => {
    assert.deepEqual(checkLinks(planted('', '[two', 'lines](gone.md)'), PAGES), [
      'docs/planted.md:3: there is no docs/gone.md',
    ]);
  });

  test('a page that nothing links to', () => {
    const first = parsePage('README.md', '[a](docs/a.md)');
    const linked = parsePage('docs/a.md', '[b](b.md#x)');
    const pages = [first, linked, parsePage('docs/b.md', ''), parsePage('docs/c.md', '')];
    assert.deepEqual(findUnreachable(pages), ['docs/c.md']);
  });

  test('files that do not exist', () => {
    const page = planted('`src/cli.ts` and `test/e2e/gone.test.ts`');
    assert.deepEqual(checkNamedFiles(page), ['docs/planted.md:1: there is no test/e2e/gone.test.ts']);
  });

  const commands: readonly [text: string, mistakes: readonly string[]][] = [
    ['npm run status -- --jsn', ['unknown option "--jsn" of "status"; did you mean "--json"?']],
    ['npm run status --json', ['"--json" needs a "--" before it, or npm takes it']],
    ['npm run -s logs -- monitor -n 5 | grep x', []],
    ['npm run sttus', ['npm has no script "sttus"']],
    ['npm ci && npm run demo -- --inspectr', ['scripts/demo.js has no option --inspectr']],
    ['node dist/cli.js stats', ['unknown command "stats"; did you mean "status"?']],
    [
      'node dist/cli.js stop now',
      ['unexpected argument "now"; expected: stop; for one app: npx pm2 stop tcp-proxy-PORT'],
    ],
    [
      'steadyport proxy 6274 localhost 6274 --hold-ms soon',
      ['proxies[0].holdMs is "soon": expected whole milliseconds, 0 to 2147483647'],
    ],
    ['pm2 status', ['PM2 may not be on the PATH: write "npx pm2"']],
    ['npx pm2 reloadlogs', ['pm2 has no command "reloadlogs"']],
    ['npx pm2 trigger proxy-monitor silence 30', []],
    [
      'npx pm2 trigger proxy-monitor mute',
      ['pm2 trigger has no "proxy-monitor mute"; there is: status, check-now, restart, silence'],
    ],
    ['sudo A=1 npm run nothing', ['npm has no script "nothing"']],
    [
      'docker exec CONTAINER npm run -s status -- --al',
      ['unknown option "--al" of "status"; there is: --json, --watch, --evidence'],
    ],
    ['dokcer ps', ['"dokcer" is no program of the documentation']],
    ['scripts/gone.sh', ['there is no scripts/gone.sh']],
  ];
  for (const [text, mistakes] of commands)
    test(text, () => {
      assert.deepEqual(checkShell(text), mistakes);
    });

  const blocks: readonly [name: string, page: Page, mistake: RegExp][] = [
    [
      'a command in a block',
      block('sh', 'npm start\nnpm run gone   # says no'),
      /:1: npm has no script "gone"$/,
    ],
    [
      'a config with a wrong key',
      block('json', '{"proxies": [{"listen": "1", "upstream": "a:1", "listn": 1}]}'),
      /proxies\[0\]\.listn is 1: unknown key/,
    ],
    [
      'an entry with a wrong value',
      block('json proxy', '{"allow": ["evrybody"]}'),
      /allow\[0\] is "evrybody"/,
    ],
    [
      'a section with a wrong key',
      block('json alerts', '{"remindMs": 1}'),
      /alerts\.remindMs is 1: unknown key/,
    ],
    ['JSON that is none', block('json', '{'), /this is no JSON object/],
    ['a variable that does not exist', block('env', 'PROXYS=1'), /\.env has no PROXYS/],
    ['a variable with a wrong value', block('env', 'PROXIES=1'), /PROXIES\[0\] is "1"/],
    ['a secret that cannot be used', block('env', 'NTFY_URL=https://ntfy.sh/'), /NTFY_URL is not shown here/],
    ['a drawing without a kind', block('mermaid', 'a --> b'), /the first line names no kind of drawing/],
    ['a drawing with an open bracket', block('mermaid', 'flowchart LR\n  a["b"'), /a bracket is not closed/],
    ['a language without a check', block('toml', 'a = 1'), /no check knows a block of "toml"/],
    ['a block without a language', block('', 'a'), /no check knows a block of ""/],
    ['a marker without a reason', planted('<!-- unchecked: -->', '```', 'a', '```'), /no check knows/],
  ];
  for (const [name, page, mistake] of blocks)
    test(name, () => {
      const mistakes = checkBlocks(page);
      assert.equal(mistakes.length, 1, mistakes.join('\n'));
      assert.match(mistakes[0] ?? '', mistake);
    });

  test('a marker with a reason, and a generated part, are left out', () => {
    const page = planted(
      '<!-- unchecked: a sample -->',
      '```text',
      'a',
      '```',
      '<!-- generated: x -->',
      '```text',
      'a',
      '```',
      '<!-- /generated -->',
    );
    assert.equal(page.blocks.length, 2);
    assert.deepEqual(checkBlocks(page), []);
  });

  test('code in a sentence: commands, probes, and keys of the config', () => {
    const page = planted(
      '`npm run gone`, `{"type": "mysql"}`, `{"type": "tcp"}`, `"optional": true`,',
      '`"http": 1`, `pm2`, `maxHeld`, `{"a"`',
    );
    const mistakes = checkCodes(page);
    assert.deepEqual(
      mistakes.map((mistake) => mistake.replace('docs/planted.md:', '')),
      [
        '1: npm has no script "gone"',
        '1: {"type": "mysql"} is no probe: expected one of: listen, tcp, http, expect, redis, postgres',
        '2: the config has no such key, or not this value: "http": 1',
        '2: this is no JSON: {"a"',
      ],
    );
  });

  test('a shell line is split as the shell does it', () => {
    assert.deepEqual(parseShell("A=1 B='x y' npm run a -- 'b c' # d\nexport E=$(f g) && h | \\\n  i; j"), [
      ['npm', 'run', 'a', '--', 'b c'],
      ['export', 'E=$(f g)'],
      ['h'],
      ['i'],
      ['j'],
    ]);
  });
});
