import { join } from 'node:path';
import { DEFAULT_PROJECT, monitorAppOf } from '../app-names.ts';

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

/** The folder in STEADYPORT_HOME that has a folder for each project other than the default one. */
export const PROJECTS_FOLDER = 'projects';

/** @param home STEADYPORT_HOME */
export const projectOf = (home: string, name: string): Project => {
  const isDefault = name === DEFAULT_PROJECT;
  return {
    name,
    namespace: isDefault ? 'steadyport' : `steadyport-${name}`,
    monitorApp: monitorAppOf(name),
    stateDir: isDefault ? home : join(home, PROJECTS_FOLDER, name),
  };
};
