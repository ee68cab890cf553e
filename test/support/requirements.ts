import { accessSync, constants } from 'node:fs';
import { delimiter, join } from 'node:path';
import { isLoopback } from '../../src/lib/address.ts';
import { localAddresses } from '../../src/system/proc/network-interfaces.ts';

/**
 * Joins the requirements of a test for node:test's `skip`.
 * @param missing the result of each check: undefined, or a text that names the missing thing and how to get it
 * @returns false when nothing is missing, otherwise the reason to skip
 * @throws with STEADYPORT_REQUIRE_ALL=1, so that CI cannot pass by skipping
 */
export const needs = (...missing: readonly (string | undefined)[]): false | string => {
  const reason = missing.filter((text) => text !== undefined).join('; ');
  if (reason === '') return false;
  if (process.env['STEADYPORT_REQUIRE_ALL'] === '1') {
    throw new Error(`STEADYPORT_REQUIRE_ALL=1 and something is missing: ${reason}`);
  }
  return reason;
};

/** An IPv4 address by which other machines reach this one; '' where there is none ({@link needsOutside}). */
export const OUTSIDE = localAddresses().find((host) => !isLoopback(host) && !host.includes(':')) ?? '';

export const needsOutside = (): string | undefined =>
  OUTSIDE === '' ? 'needs an IPv4 address other than loopback' : undefined;

export const needsRoot = (): string | undefined =>
  process.getuid?.() === 0 ? undefined : 'needs root (network namespaces)';

/** @param name a program on the PATH, or its absolute path */
export const needsProgram = (name: string, debianPackage: string): string | undefined => {
  const folders = name.startsWith('/') ? [''] : (process.env['PATH'] ?? '').split(delimiter);
  return folders.some((folder) => usable(join(folder, name), constants.X_OK))
    ? undefined
    : `needs ${name} (apt-get install ${debianPackage})`;
};

/** @param name a package of test/peers */
export const needsPeer = (name: string): string | undefined =>
  usable(peerPath(name, 'package.json'), constants.R_OK)
    ? undefined
    : `needs ${name} (npm ci --prefix test/peers)`;

/** @returns the path of a file of a package in test/peers */
export const peerPath = (name: string, ...rest: readonly string[]): string =>
  join(process.cwd(), 'test/peers/node_modules', name, ...rest);

const usable = (path: string, mode: number): boolean => {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
};
