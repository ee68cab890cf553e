/**
 * The folder project: what belongs to whom. A project is a config with its state directory, its PM2 namespace and its monitor.
 * project.ts finds the name, record.ts reads what a project has written down of itself.
 */

import { basename, dirname, join } from 'node:path';
import { isRecord } from '../../lib/stored-fields.ts';
import { UsageError } from '../../lib/usage-error.ts';
import { DEFAULT_PROJECT, monitorAppOf } from '../app-names.ts';
import { parseConfigText } from '../config-text.ts';
import { realPath } from './real-path.ts';
import { listProjectRecords } from './record.ts';

/** Who owns the apps, the state and the monitor of one config. */
export interface Project {
  /** `default`, or a name as {@link PROJECT_NAME} describes it. */
  readonly name: string;
  /** PM2's namespace of the apps: `steadyport` or `steadyport-NAME`. */
  readonly namespace: string;
  /** The monitor's PM2 app: `proxy-monitor` or `proxy-monitor-NAME`. */
  readonly monitorApp: string;
  /** The directory of its state: STEADYPORT_HOME for the default one, otherwise `STEADYPORT_HOME/projects/NAME`. */
  readonly stateDir: string;
}

/** What a name may be. PM2's file names have no "_", and a socket's path in the state directory has no room for a long one. */
export const PROJECT_NAME = 'a name of a-z, 0-9, "." and "-", at most 32, such as "work"';
const PROJECT_NAME_PATTERN = /^[a-z0-9][a-z0-9.-]{0,31}$/;

export const isProjectName = (text: string): boolean => PROJECT_NAME_PATTERN.test(text);

/** @param home STEADYPORT_HOME */
export const projectOf = (home: string, name: string): Project => {
  const isDefault = name === DEFAULT_PROJECT;
  return {
    name,
    namespace: isDefault ? 'steadyport' : `steadyport-${name}`,
    monitorApp: monitorAppOf(name),
    stateDir: isDefault ? home : join(home, 'projects', name),
  };
};

/** A config file whose project is to be found. */
export interface ProjectQuery {
  /** STEADYPORT_HOME. */
  readonly home: string;
  /** The config file, as the user named it. */
  readonly configPath: string;
  /** The config that is the default project's: the one beside ecosystem.config.js. */
  readonly defaultConfigPath: string;
  /** STEADYPORT_PROJECT; undefined when it is not set. */
  readonly override: string | undefined;
  /** Reads the text of the config file. Not called when there is an override. @throws when it cannot be read */
  readConfig(): string;
}

/**
 * Finds the project of a config: by STEADYPORT_PROJECT, by the config's own `project`, `default` for the config of this
 * checkout; of any other the one that was started from this file before, under this name or by another link to it, and
 * otherwise one by the name of its folder.
 * @throws UsageError for a name that is not {@link PROJECT_NAME}
 */
export const findProject = (query: ProjectQuery): Project => {
  const { home, override } = query;
  if (override !== undefined) return projectOf(home, requireName('STEADYPORT_PROJECT', override));
  const name = nameInConfig(query) ?? nameByPath(query);
  return projectOf(home, name);
};

/** The `project` of the config; undefined when it has none, or when it cannot be read: others say what is wrong with it. */
const nameInConfig = ({ configPath, readConfig }: ProjectQuery): string | undefined => {
  try {
    const parsed = parseConfigText(readConfig());
    const name = parsed.ok && isRecord(parsed.value) ? parsed.value['project'] : undefined;
    return typeof name === 'string' ? requireName(`${configPath}: project`, name) : undefined;
  } catch (error) {
    if (error instanceof UsageError) throw error;
    return undefined;
  }
};

const nameByPath = ({ home, configPath, defaultConfigPath }: ProjectQuery): string => {
  const real = realPath(configPath);
  if (real === realPath(defaultConfigPath)) return DEFAULT_PROJECT;
  const known = listProjectRecords(home).find(
    (record) => record.configPath === real || record.namedPath === configPath,
  );
  return known?.name ?? nameOfFolder(configPath);
};

/** "mein-buero" for "/home/u/Mein Büro/steadyport.json" */
const nameOfFolder = (configPath: string): string => {
  const name = basename(dirname(configPath))
    .normalize('NFKD')
    .toLowerCase()
    .replace(/\p{Mark}/gu, '')
    .replace(/[^a-z0-9.-]+/g, '-')
    .slice(0, 32)
    .replace(/^[.-]+|[.-]+$/g, '');
  if (name !== '' && name !== DEFAULT_PROJECT) return name;
  throw new UsageError(
    `${configPath}: expected a project's name, which its folder's name does not give: ` +
      `set "project" in it, or STEADYPORT_PROJECT, to ${PROJECT_NAME}`,
  );
};

const requireName = (place: string, name: string): string => {
  if (isProjectName(name)) return name;
  throw new UsageError(`${place} is ${JSON.stringify(name)}: expected ${PROJECT_NAME}`);
};
