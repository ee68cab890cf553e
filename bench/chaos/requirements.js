// What a fault needs of the machine, by the word that it names it by.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const { PATH = '', STEADYPORT_REQUIRE_ALL } = process.env;

/** STEADYPORT_REQUIRE_ALL=1: nothing is left out. */
export const IS_ALL_REQUIRED = STEADYPORT_REQUIRE_ALL === '1';

/** @returns the words of `needs` that this machine has not */
export const missing = (needs = []) => needs.filter((need) => !has(need));

const has = (need) => (need === 'root' ? process.getuid?.() === 0 : isOnPath(need));

const isOnPath = (program) =>
  PATH.split(delimiter).some((folder) => {
    try {
      accessSync(join(folder, program), constants.X_OK);
      return true;
    } catch {
      return false;
    }
  });
