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

/**
 * Fetches the upstream tarball of a Debian source package, and unpacks it. The machine's own lists of packages are left
 * alone: apt has others below `folder`, for the machine's sources, as `deb-src`.
 * @param only patterns of tar for the members; none for all
 * @returns the folder with the source, and the version
 */
export const fetchSource = async (name, folder, only = []) => {
  const apt = join(folder, 'apt');
  const own = {
    'Dir::Etc::sourcelist': '/dev/null',
    'Dir::Etc::sourceparts': join(apt, 'parts'),
    'Dir::State::lists': join(apt, 'lists'),
    'Dir::Cache': join(apt, 'cache'),
    'APT::Sandbox::User': 'root',
  };
  const options = Object.entries(own).flatMap(([key, value]) => ['-o', `${key}=${value}`]);
  for (const path of ['parts', 'lists/partial', 'cache/archives/partial', name])
    mkdirSync(join(apt, path), { recursive: true });
  writeFileSync(join(apt, 'parts/debian.sources'), sourceEntries());
  await runTool(['apt-get', ...options, '-qq', 'update']);

  const { stdout } = spawnSync('apt-cache', [...options, 'showsrc', name], { encoding: 'utf8' });
  const versions = [...stdout.matchAll(/^Version: (.+)$/gm)].map(([, version]) => version).reverse();
  const version = await firstThatCanBeHad(versions, (candidate) =>
    runTool([
      'env',
      '-C',
      join(apt, name),
      'apt-get',
      ...options,
      '-qq',
      '--download-only',
      'source',
      `${name}=${candidate}`,
    ]),
  );
  const tarball = readdirSync(join(apt, name)).find((file) => /\.orig\.tar\.\w+$/.test(file));
  const source = join(folder, name);
  mkdirSync(source);
  const members = only.length > 0 ? ['--wildcards', ...only] : [];
  await runTool(['tar', 'xf', join(apt, name, tarball), '-C', source, '--strip-components=1', ...members]);
  return { source, version };
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
