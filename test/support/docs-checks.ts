import { existsSync, readFileSync, statSync } from 'node:fs';
import { posix } from 'node:path';
import { parse as parseDotEnv } from 'dotenv';
import { safeParse } from 'valibot';
import { findCommand, parseArguments } from '../../src/commands/arguments.ts';
import { PROXY_OPTIONS } from '../../src/commands/run/proxy-options.ts';
import { parseConfig } from '../../src/config/config.ts';
import { CONFIG_VARIABLES } from '../../src/config/env-overrides.ts';
import { formatConfigError } from '../../src/config/errors.ts';
import { parseSecrets, SECRET_VARIABLES } from '../../src/config/secrets.ts';
import { probeSchema } from '../../src/kinds/probes/registry.ts';
import { isUsageError } from '../../src/lib/usage-error.ts';
import { createTriggerCommands } from '../../src/monitor/pm2-trigger.ts';
import { type Block, type Page, parseShell, type ShellCommand } from './markdown.ts';

/** Checks of the documentation. Each returns the mistakes as "docs/status.md:12: what is wrong", and none when all is well. */

/** Links within the project: the file exists, and so does the heading. */
export const checkLinks = (page: Page, pages: readonly Page[]): readonly string[] =>
  page.links
    .filter(({ target }) => !/^[a-z]+:/.test(target))
    .flatMap(({ target, line }) => {
      const [file = '', anchor] = target.split('#');
      const path = file === '' ? page.path : posix.join(posix.dirname(page.path), file);
      const at = `${page.path}:${line}`;
      if (file !== '' && !existsSync(path)) return [`${at}: there is no ${path}`];
      const linked = pages.find((candidate) => candidate.path === path);
      if (anchor === undefined || !linked) return [];
      const isThere = linked.headings.some((heading) => heading.anchor === anchor);
      return isThere ? [] : [`${at}: ${path} has no heading #${anchor}`];
    });

/** The pages that no path of links leads to from the first page. */
export const findUnreachable = (pages: readonly Page[]): readonly string[] => {
  const reached = new Set(pages.slice(0, 1));
  for (const page of reached)
    for (const { target } of page.links) {
      const path = posix.join(posix.dirname(page.path), target.split('#')[0] ?? '');
      const linked = pages.find((candidate) => candidate.path === path);
      if (linked) reached.add(linked);
    }
  return pages.filter((page) => !reached.has(page)).map(({ path }) => path);
};

/** The files of the project that a page names between backticks. */
export const checkNamedFiles = ({ path, codes }: Page): readonly string[] =>
  codes
    .filter(({ text }) => /^(src|test|docs|scripts|bench|observability|logrotate)\/[\w./-]+\.\w+$/.test(text))
    .filter(({ text }) => !existsSync(text))
    .map(({ text, line }) => `${path}:${line}: there is no ${text}`);

/** Code between backticks: commands, JSON, and keys of the config with a value. */
export const checkCodes = ({ path, codes }: Page): readonly string[] =>
  codes
    .filter(({ text }) => !(CHECKED_ELSEWHERE[path] && text.startsWith('{"')))
    .flatMap(({ text, line }) => checkCode(text).map((mistake) => `${path}:${line}: ${mistake}`));

const checkCode = (text: string): readonly string[] => {
  if (/^(npm|npx|pm2|steadyport|node dist\/cli\.js) \S/.test(text)) return checkShell(text);
  if (text.startsWith('{"')) return checkJsonCode(text);
  return /^"\w+": \S/.test(text) ? checkKeyCode(text) : [];
};

const checkJsonCode = (text: string): readonly string[] => {
  const value = parseJson(text);
  if (!value) return [`this is no JSON: ${text}`];
  if (!('type' in value)) return [];
  const { issues = [] } = safeParse(probeSchema, value);
  return issues.map(({ message }) => `${text} is no probe: expected ${message}`);
};

/** `"optional": true` must be right somewhere in the config. */
const checkKeyCode = (text: string): readonly string[] => {
  const value = parseJson(`{${text}}`);
  if (!value) return [`this is no JSON: {${text}}`];
  const isRight = ['proxy', 'monitor', 'alerts', 'logs'].some(
    (kind) => checkConfig(kind, value).length === 0,
  );
  const isOfProbe = safeParse(probeSchema, { type: 'http', ...value }).success;
  return isRight || isOfProbe ? [] : [`the config has no such key, or not this value: ${text}`];
};

/** A block is checked by its language, or it has a marker that says why not. */
export const checkBlocks = (page: Page): readonly string[] =>
  page.blocks.flatMap((block) =>
    checkBlock(block, page.path).map((mistake) => `${page.path}:${block.line}: ${mistake}`),
  );

/** Pages whose examples are no part of the project, and the languages of the blocks that a test of their own checks. */
const CHECKED_ELSEWHERE: Readonly<Record<string, readonly string[]>> = {
  // test/meta/contributing.test.ts applies them to a copy of the project.
  'docs/extending.md': ['ts', 'diff'],
};

const checkBlock = (block: Block, path: string): readonly string[] => {
  if (block.isGenerated || /^(unchecked|checked): ./.test(block.marker ?? '')) return [];
  if (CHECKED_ELSEWHERE[path]?.includes(block.language)) return [];
  switch (block.language) {
    case 'sh':
      return [...checkShell(block.text), ...checkPasted(block.text)];
    case 'json': {
      const value = parseJson(block.text);
      return value ? checkConfig(block.kind, value) : ['this is no JSON object'];
    }
    case 'env':
      return checkDotEnv(block.text);
    case 'mermaid':
      return checkMermaid(block.text);
    default:
      return [
        `no check knows a block of "${block.language}"; write above it: <!-- unchecked: the reason why -->`,
      ];
  }
};

const parseJson = (text: string): object | undefined => {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === 'object' && value !== null ? value : undefined;
  } catch {
    return undefined;
  }
};

const PROXY = { listen: '6274', upstream: 'localhost:6274' };

/** @param kind '' for a whole config, "proxy" for an entry of `proxies`, otherwise a key at the top, such as "alerts" */
const checkConfig = (kind: string, value: object): readonly string[] => {
  const proxies = kind === 'proxy' ? [{ ...PROXY, ...value }] : [PROXY];
  const config = kind === '' ? value : { proxies, ...(kind === 'proxy' ? {} : { [kind]: value }) };
  const result = parseConfig(config);
  return result.ok ? [] : result.errors.map(formatConfigError);
};

const OTHER_VARIABLES = ['LOG_FORMAT', 'STEADYPORT_HOME'];

const checkDotEnv = (text: string): readonly string[] => {
  const variables = parseDotEnv(text);
  const known: readonly string[] = [...CONFIG_VARIABLES, ...SECRET_VARIABLES, ...OTHER_VARIABLES];
  const unknown = Object.keys(variables).filter((name) => !known.includes(name));
  const result = parseConfig({ proxies: [PROXY] }, variables);
  return [
    ...(Object.keys(variables).length === 0 ? ['this sets no variable'] : []),
    ...unknown.map((name) => `.env has no ${name}`),
    ...(result.ok ? [] : result.errors.map(formatConfigError)),
    ...parseSecrets(variables).errors,
  ];
};

/** No renderer is here: this sees an unknown kind of drawing, and brackets that are not closed. */
const checkMermaid = (text: string): readonly string[] => {
  const isKnown = /^(flowchart (LR|TD|TB|RL|BT)|sequenceDiagram|stateDiagram-v2)$/.test(
    text.split('\n')[0] ?? '',
  );
  const open: string[] = [];
  const pairs: Readonly<Record<string, string>> = { ')': '(', ']': '[', '}': '{' };
  const shapes = text.replace(/"[^"]*"/g, '');
  const isBalanced = [...shapes].every((character) => {
    if ('([{'.includes(character)) open.push(character);
    return pairs[character] === undefined || open.pop() === pairs[character];
  });
  return [
    ...(isKnown ? [] : ['the first line names no kind of drawing']),
    ...(isBalanced && open.length === 0 ? [] : ['a bracket is not closed']),
  ];
};

export const checkShell = (text: string): readonly string[] => parseShell(text).flatMap(checkCommand);

/** The lines of a block are pasted into a shell in the project's folder, whose PATH has no program of this project. */
const checkPasted = (text: string): readonly string[] =>
  parseShell(text)
    .filter(([program = '']) => ['pm2', 'steadyport'].includes(program))
    .map(([program]) => `${program} is not on the PATH: write npx pm2, npm run, or node dist/cli.js`);

/** Programs that do not belong to this project. Another one is a typing error, until it is entered here. */
const FOREIGN = [
  'chmod',
  'curl',
  'export',
  'git',
  'grep',
  'jq',
  'kill',
  'nvm',
  'rm',
  'setcap',
  'ss',
  'sysctl',
  'systemctl',
];
/** What npm does besides the scripts of package.json. */
const NPM_COMMANDS = ['ci', 'install', 'i', 'link', 'prune'];

const checkCommand = (words: ShellCommand): readonly string[] => {
  const [program = '', ...args] = words;
  if (program === 'npm') return checkNpm(args);
  if (program === 'pm2') return ['PM2 may not be on the PATH: write "npx pm2"'];
  if (program === 'npx') return args[0] === 'pm2' ? checkPm2(args.slice(1)) : [];
  if (program === 'steadyport') return checkSteadyport(args);
  if (program === 'node')
    return args[0] === 'dist/cli.js' ? checkSteadyport(args.slice(1)) : checkScript(args);
  if (program === 'sudo') return parseShell(args.join(' ')).flatMap(checkCommand);
  // docker exec CONTAINER COMMAND
  if (program === 'docker') return checkCommand(args.slice(2));
  if (program.includes('/')) return existsSync(program) ? [] : [`there is no ${program}`];
  return FOREIGN.includes(program) ? [] : [`"${program}" is no program of the documentation`];
};

const readScripts = (): Readonly<Record<string, string>> =>
  JSON.parse(readFileSync('package.json', 'utf8')).scripts;

const checkNpm = (args: readonly string[]): readonly string[] => {
  const [command = '', ...rest] = args.filter((arg) => !['-s', '--silent'].includes(arg));
  if (NPM_COMMANDS.includes(command)) return [];
  const isRun = command === 'run';
  const name = isRun ? (rest[0] ?? '') : command;
  const script = ['run', 'start', 'stop', 'test'].includes(command) ? readScripts()[name] : undefined;
  if (script === undefined) return [`npm has no script "${name}"`];
  const [separator, ...scriptArgs] = rest.slice(isRun ? 1 : 0);
  // `npm start --prefix FOLDER` is npm's own option.
  if (separator !== undefined && separator !== '--' && separator !== '--prefix')
    return [`"${separator}" needs a "--" before it, or npm takes it`];
  const commands = parseShell(script);
  const last = commands.at(-1) ?? [];
  const ownArgs = separator === '--' ? scriptArgs : [];
  // A script of the shell, such as `if …; then …; fi`, takes no arguments.
  return ['node', 'npm'].includes(last[0] ?? '') ? checkCommand([...last, ...ownArgs]) : [];
};

const checkPm2 = ([command = '', ...args]: readonly string[]): readonly string[] => {
  const source = readFileSync('node_modules/pm2/lib/binaries/CLI.js', 'utf8');
  const known = [...source.matchAll(/\.(?:command|alias)\('([\w:-]+)/g)].map(([, name]) => name);
  if (command !== '' && !known.includes(command)) return [`pm2 has no command "${command}"`];
  if (command !== 'trigger') return [];
  const actions = Object.keys(
    createTriggerCommands({
      status: () => {
        throw new Error('not called');
      },
      checkNow: () => undefined,
      restart: async () => undefined,
      silence: null,
    }),
  );
  const [app, action = ''] = args;
  return app === 'proxy-monitor' && actions.includes(action)
    ? []
    : [`pm2 trigger has no "${args.join(' ')}"; there is: ${actions.join(', ')}`];
};

/** The real parsers of the command line: of the arguments, and for `proxy` of their values. */
const checkSteadyport = ([name, ...args]: readonly string[]): readonly string[] => {
  if (name === undefined || name === '--help' || name === '--version') return [];
  try {
    const command = findCommand(name);
    const parsed = parseArguments(name, command, args);
    return name === 'proxy' && !args.includes('…') ? checkProxyArguments(parsed) : [];
  } catch (error) {
    if (isUsageError(error)) return [error.message];
    throw error;
  }
};

const checkProxyArguments = (parsed: ReturnType<typeof parseArguments>): readonly string[] => {
  const [listen, host = '', port] = parsed._;
  const options = Object.entries(PROXY_OPTIONS)
    .filter(([option]) => parsed[option] !== undefined)
    .map(([option, [key, read]]) => [key, read(parsed[option])]);
  const upstream = port === undefined ? host : `${host}:${port}`;
  return checkConfig('proxy', { listen, upstream, ...Object.fromEntries(options) });
};

/** A script of the project exists, and its source has each option. */
const checkScript = ([path = '', ...args]: readonly string[]): readonly string[] => {
  if (!statSync(path, { throwIfNoEntry: false })?.isFile()) return [`there is no ${path}`];
  const source = readFileSync(path, 'utf8');
  return args
    .filter((arg) => arg.startsWith('--') && !source.includes(arg.slice(2).replace(/=.*/, '')))
    .map((option) => `${path} has no option ${option}`);
};
