/**
 * The folder project: what belongs to whom. A project is a config with its state directory, its PM2 namespace and its monitor.
 * project.ts finds the name, identity.ts has what follows from it, named-path.ts the path of the config through links. record.ts
 * reads what a project has written down of itself, claim.ts decides whether a start may have it, monitor-address.ts has the
 * addresses for its monitor. accepted.ts has the config that the last start accepted, and running.ts gives it to what runs.
 */

import { basename, dirname } from 'node:path';
import { isRecord } from '../../lib/stored-fields.ts';
import { UsageError } from '../../lib/usage-error.ts';
import { DEFAULT_PROJECT } from '../app-names.ts';
import { parseConfigText } from '../config-text.ts';
import { isProjectName, PROJECT_NAME, type Project, projectOf } from './identity.ts';

import { isMissing, realPath } from './real-path.ts';
import { listLatestRecords } from './record.ts';

export { isProjectName, PROJECT_NAME, type Project, projectOf };

/** A config file whose project is to be found. */
export interface ProjectQuery {
  /** STEADYPORT_HOME. */
  readonly home: string;
  readonly configPath: string;
  /** The path of the config through links ({@link namedPathOf}). Called only when the path decides. */
  namedPath(): string;
  /** The config that is the default project's: the one beside ecosystem.config.js. */
  readonly defaultConfigPath: string;
  /** STEADYPORT_PROJECT; undefined when it is not set. */
  readonly override: string | undefined;
  /** Reads the text of the config file. Not called when there is an override. @throws when it cannot be read */
  readConfig(): string;
}

/**
 * Finds the project of a config: by STEADYPORT_PROJECT, by the config's own `project`, `default` for the config of this
 * checkout; of any other the one that was started from this file last, under this name or by another link to it, and
 * otherwise one by the name of its folder.
 * @throws UsageError for a name that is not {@link PROJECT_NAME}
 */
export const findProject = (query: ProjectQuery): Project => {
  const { home, override } = query;
  if (override !== undefined) return projectOf(home, requireName('STEADYPORT_PROJECT', override));
  const name = nameInConfig(query) ?? nameByPath(query);
  return projectOf(home, name);
};

/**
 * The `project` of the config; undefined when it has none, or one that is no name, or cannot be read: who needs the config
 * says what is wrong with it, and a stop does not need it.
 */
const nameInConfig = ({ readConfig }: ProjectQuery): string | undefined => {
  try {
    const parsed = parseConfigText(readConfig());
    const name = parsed.ok && isRecord(parsed.value) ? parsed.value['project'] : undefined;
    return typeof name === 'string' && isProjectName(name) ? name : undefined;
  } catch {
    return undefined;
  }
};

const nameByPath = ({ home, configPath, namedPath, defaultConfigPath }: ProjectQuery): string => {
  const real = realPath(configPath);
  if (real === realPath(defaultConfigPath)) return DEFAULT_PROJECT;
  const named = namedPath();
  const records = listLatestRecords(home);
  const known =
    records.find((record) => record.configPath === real) ??
    records.find((record) => record.namedPath === named);
  return known?.name ?? nameOfFolder(named, configPath);
};

/** What is wrong with a config file that is not there. */
export const NO_CONFIG_FILE =
  'expected a config file here; see docs/configuration.md, or set STEADYPORT_CONFIG';

/** "mein-buero" for "/home/u/Mein Büro/steadyport.json" */
const nameOfFolder = (namedPath: string, configPath: string): string => {
  const name = basename(dirname(namedPath))
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\p{Mark}/gu, '')
    .replace(/[^a-z0-9.-]+/g, '-')
    .slice(0, 32)
    .replace(/^[.-]+|[.-]+$/g, '');
  if (name !== '' && name !== DEFAULT_PROJECT) return name;
  if (isMissing(configPath)) throw new UsageError(`${configPath}\n  ${NO_CONFIG_FILE}`);
  throw new UsageError(
    `${namedPath}: expected a project's name, which its folder's name does not give: ` +
      `set "project" in it, or STEADYPORT_PROJECT, to ${PROJECT_NAME}`,
  );
};

const requireName = (place: string, name: string): string => {
  if (isProjectName(name)) return name;
  throw new UsageError(`${place} is ${JSON.stringify(name)}: expected ${PROJECT_NAME}`);
};
