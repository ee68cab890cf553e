import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { fields, orNull, text } from '../../lib/stored-fields.ts';
import { PROJECTS_FOLDER } from './identity.ts';

/** What a project has written down of itself at its last start, in `project.json` of its state directory. */
export const projectRecordSchema = fields({
  name: text,
  /** The config file without links. */
  configPath: text,
  /** The config file as the user named it, which may go through a link. */
  namedPath: text,
  pm2Home: text,
  /** The monitor's address that was chosen for a config that names none; null: none was, and it is the default one. */
  http: orNull(text),
});

export type ProjectRecord = v.InferOutput<typeof projectRecordSchema>;

export const projectRecordFile = (stateDir: string): string => join(stateDir, 'project.json');

/** The record of a project; undefined when it was never started, and for a file that is none. It never throws. */
export const readProjectRecord = (stateDir: string): ProjectRecord | undefined => {
  const path = projectRecordFile(stateDir);
  try {
    if (!statSync(path).isFile()) return undefined;
    const parsed = v.safeParse(projectRecordSchema, JSON.parse(readFileSync(path, 'utf8')));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
};

/** The records of all projects of a STEADYPORT_HOME that were started, the default one first. */
export const listProjectRecords = (home: string): readonly ProjectRecord[] =>
  [home, ...listProjectFolders(home)].flatMap((folder) => readProjectRecord(folder) ?? []);

const listProjectFolders = (home: string): readonly string[] => {
  const folder = join(home, PROJECTS_FOLDER);
  try {
    return readdirSync(folder)
      .sort()
      .map((name) => join(folder, name));
  } catch {
    return [];
  }
};
