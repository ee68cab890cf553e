import { type ProjectRecord, projectRecordFile } from '../../config/project/record.ts';
import { writeAtomic } from '../files.ts';

/**
 * Writes what a project says of itself, for other commands and other projects. Where that cannot be, as on a full disk, the
 * project runs all the same.
 * @param path the state directory, which exists
 * @returns why it could not be written; null when it was
 */
export const saveProjectRecord = (path: string, record: ProjectRecord): string | null => {
  const file = projectRecordFile(path);
  try {
    writeAtomic(file, `${JSON.stringify({ version: 1, ...record })}\n`);
    return null;
  } catch (error) {
    return `${file} could not be written, so other commands do not know of this project: ${(error as Error).message}`;
  }
};
