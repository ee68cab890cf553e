import { basename, dirname, join, resolve } from 'node:path';
import { realPath } from './real-path.ts';

/** What a process knows of the path by which its config was named. */
export interface NamedPathQuery {
  /** The path that was given; undefined for the config beside ecosystem.config.js. */
  readonly given: string | undefined;
  /** The config beside ecosystem.config.js, without links. */
  readonly defaultConfigPath: string;
  /** The working directory, which the system gives without links. */
  readonly cwd: string;
  /** $PWD, in which a shell keeps the links of the working directory (pwd(1)); undefined without one. */
  readonly pwd: string | undefined;
  /** Paths in the program's folder as somebody may have typed them: of the command line, and npm's folder. */
  readonly hints: readonly string[];
}

/**
 * The path of the config as its user named it, through links: of two folders that are the target of one link in turn, such as
 * /srv/current, it is the same.
 */
export const namedPathOf = ({ given, defaultConfigPath, cwd, pwd, hints }: NamedPathQuery): string => {
  const folder = pwd !== undefined && realPath(pwd) === realPath(cwd) ? pwd : cwd;
  if (given !== undefined) return resolve(folder, given);
  const root = dirname(defaultConfigPath);
  const names = [folder, ...hints.map((hint) => resolve(folder, hint))].flatMap(
    (path) => ancestorsOf(path).find((ancestor) => realPath(ancestor) === root) ?? [],
  );
  return join(names.find((name) => name !== root) ?? root, basename(defaultConfigPath));
};

/** The path, and the folders that it is in. */
const ancestorsOf = (path: string): readonly string[] => {
  const parent = dirname(path);
  return parent === path ? [path] : [path, ...ancestorsOf(parent)];
};
