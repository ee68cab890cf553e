import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import * as v from 'valibot';
import { fields, orNull, text } from '../../lib/stored-fields.ts';
import { PROJECTS_FOLDER, projectOf } from './identity.ts';

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

/** Far more than four paths need. */
const MAX_BYTES = 65_536;

/** The record of a project; undefined when it was never started, and for a file that is none. It never throws. */
export const readProjectRecord = (stateDir: string): ProjectRecord | undefined => {
  const path = projectRecordFile(stateDir);
  try {
    const stats = statSync(path);
    if (!stats.isFile() || stats.size > MAX_BYTES) return undefined;
    const parsed = v.safeParse(projectRecordSchema, JSON.parse(readFileSync(path, 'utf8')));
    return parsed.success ? parsed.output : undefined;
  } catch {
    return undefined;
  }
};

/** The records of all projects of a STEADYPORT_HOME that were started, the default one first. */
export const listProjectRecords = (home: string): readonly ProjectRecord[] =>
  [home, ...listProjectFolders(home)].flatMap((folder) => readProjectRecord(folder) ?? []);

/** The same, the one that was started last first. */
export const listLatestRecords = (home: string): readonly ProjectRecord[] => {
  const startedAt = ({ name }: ProjectRecord): number =>
    statSync(projectRecordFile(projectOf(home, name).stateDir), { throwIfNoEntry: false })?.mtimeMs ?? 0;
  return listProjectRecords(home)
    .map((record) => ({ record, at: startedAt(record) }))
    .sort((a, b) => b.at - a.at)
    .map(({ record }) => record);
};

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
