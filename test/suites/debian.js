// Packages and sources of Debian. Nothing is installed: what is missing is named.
import { spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { runTool } from '../../bench/lib/children.js';

/** @returns the version of an installed package; undefined without it */
export const versionOf = (name) => {
  const { stdout, status } = spawnSync('dpkg-query', ['-W', '-f', FORMAT, name], {
    encoding: 'utf8',
  });
  const [state, version] = stdout?.split(' ') ?? [];
  return status === 0 && state === 'installed' ? version : undefined;
};

/** What was fetched, by the name of the source package. */
const fetched = new Map();

/**
 * Fetches the upstream tarball of a Debian source package, once, and unpacks it. The machine's own lists of packages are
 * left alone: apt has others below `root`, for the machine's sources as `deb-src`.
 * @param members patterns of tar(1); none for all
 * @returns the folder with the source, and the version
 */
export const fetchSource = (name, root, members = []) => {
  if (!fetched.has(name)) fetched.set(name, fetchOnce(name, join(root, name), members));
  return fetched.get(name);
};

const fetchOnce = async (name, folder, members) => {
  const options = makeLists(folder);
  await runTool(['apt-get', ...options, '-qq', 'update']);
  const { stdout } = spawnSync('apt-cache', [...options, 'showsrc', name], { encoding: 'utf8' });
  const versions = [...stdout.matchAll(/^Version: (.+)$/gm)].map(([, version]) => version).reverse();
  const tarballs = join(folder, 'tarballs');
  const source = join(folder, 'source');
  for (const path of [tarballs, source]) mkdirSync(path);
  const download = ['env', '-C', tarballs, 'apt-get', ...options, '-qq', '--download-only', 'source'];
  const version = await firstThatCanBeHad(versions, (candidate) =>
    runTool([...download, `${name}=${candidate}`]),
  );
  const tarball = readdirSync(tarballs).find((file) => /\.orig\.tar\.\w+$/.test(file));
  const chosen = members.length > 0 ? ['--wildcards', ...members] : [];
  await runTool(['tar', 'xf', join(tarballs, tarball), '-C', source, '--strip-components=1', ...chosen]);
  return { source, version };
};

/** @returns the options of apt for lists below the folder */
const makeLists = (folder) => {
  for (const path of ['parts', 'lists/partial', 'cache/archives/partial'])
    mkdirSync(join(folder, path), { recursive: true });
  writeFileSync(join(folder, 'parts/debian.sources'), sourceEntries());
  const own = {
    'Dir::Etc::sourcelist': '/dev/null',
    'Dir::Etc::sourceparts': join(folder, 'parts'),
    'Dir::State::lists': join(folder, 'lists'),
    'Dir::Cache': join(folder, 'cache'),
    'APT::Sandbox::User': 'root',
  };
  return Object.entries(own).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
};

/** A mirror may lack the newest, which its list names already. */
const firstThatCanBeHad = async (versions, fetch) => {
  const problems = [];
  for (const version of versions) {
    try {
      await fetch(version);
      return version;
    } catch (error) {
      problems.push(error.message);
    }
  }
  throw new Error(`no source can be had: ${problems.join('\n') || 'apt knows of none'}`);
};

/** Of dpkg-query(1); `$` apart from what follows, which is no template. */
const FORMAT = ['db:Status-Status', 'Version'].map((field) => `$\{${field}}`).join(' ');

const FOLDER = '/etc/apt/sources.list.d';

/** Debian's entries, in the format of sources.list(5), "deb822". */
const sourceEntries = () =>
  readdirSync(FOLDER)
    .filter((name) => name.endsWith('.sources'))
    .map((name) => readFileSync(join(FOLDER, name), 'utf8').replaceAll(/^Types:.*$/gm, 'Types: deb-src'))
    .join('\n');
