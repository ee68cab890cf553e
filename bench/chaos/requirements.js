// Checks the requirements of a fault: "root", or a program on the PATH.
import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';

const { PATH = '', STEADYPORT_REQUIRE_ALL } = process.env;

/** With STEADYPORT_REQUIRE_ALL=1 a missing requirement is an error. */
export const IS_ALL_REQUIRED = STEADYPORT_REQUIRE_ALL === '1';

/** @returns the requirements that this machine does not meet */
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
