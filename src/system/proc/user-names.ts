import { readProcFile } from './procfs.ts';

/** The name of a user or group in this machine's own list (passwd(5), group(5)); its number where that has none. */
export const readName = (file: 'passwd' | 'group', id: number): string => {
  const lines = readProcFile(`/etc/${file}`)?.split('\n') ?? [];
  return lines.map((line) => line.split(':')).find((columns) => columns[2] === String(id))?.[0] ?? String(id);
};
