import { readFileSync, statSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import type { Config } from '../config.ts';
import type { LoadedConfig } from '../load.ts';
import type { AcceptedVariables, Settings } from '../settings.ts';
import { checksum } from './checksum.ts';

/** The config that the last start has accepted, after variables and defaults. What PM2 runs uses it, and never the file. */
export interface AcceptedConfig {
  /** When it was accepted first, in wall-clock milliseconds. */
  readonly acceptedAt: number;
  /** The file that it was made from. */
  readonly configPath: string;
  /** The checksum of the file's text. */
  readonly textChecksum: string;
  /** The variables of the environment of that start. Those of `.env` are not in it. */
  readonly variables: AcceptedVariables;
  readonly logFormat: Settings['logFormat'];
  readonly config: Config;
}

/** Null in the file: nothing gives `host`, and it is the name that the machine has when the config is used. */
interface StoredConfig extends Omit<AcceptedConfig, 'config'> {
  readonly config: Omit<Config, 'host'> & { readonly host: string | null };
}

/**
 * The version of the file, and with it of the shape of {@link Config}: it grows with every change of that.
 * test/integration/config/accepted.test.ts says when.
 */
export const ACCEPTED_VERSION = 1;

export type AcceptedReading =
  | { readonly kind: 'ok'; readonly accepted: AcceptedConfig }
  | { readonly kind: 'missing' }
  /** `problem` names the file, and what is wrong with it. */
  | { readonly kind: 'unusable'; readonly problem: string };

export const acceptedFile = (stateDir: string): string => join(stateDir, 'accepted.json');

/** Far more than a thousand ports need. */
const MAX_BYTES = 33_554_432;

/**
 * Reads what the last start has accepted. The file is trusted when it has this version and its own checksum: what is in it was
 * checked when it was written, and a schema costs each proxy memory and time at its start. It never throws.
 */
export const readAccepted = (stateDir: string): AcceptedReading => {
  const path = acceptedFile(stateDir);
  try {
    const stats = statSync(path);
    // The open of a FIFO waits until another process writes into it (open(2)).
    if (!stats.isFile()) throw new Error('it is no regular file');
    if (stats.size > MAX_BYTES) throw new Error(`it has ${stats.size} bytes`);
    return { kind: 'ok', accepted: parseAccepted(readFileSync(path, 'utf8')) };
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT') return { kind: 'missing' };
    return { kind: 'unusable', problem: `${path} cannot be used: ${message}` };
  }
};

/** @throws Error that says why the text cannot be used */
const parseAccepted = (text: string): AcceptedConfig => {
  const file = JSON.parse(text) as { version?: unknown; checksum?: unknown; accepted?: StoredConfig } | null;
  if (file?.version !== ACCEPTED_VERSION)
    throw new Error(`its version is ${JSON.stringify(file?.version)}: expected ${ACCEPTED_VERSION}`);
  const { accepted } = file;
  if (accepted === undefined || checksum(JSON.stringify(accepted)) !== file.checksum)
    throw new Error('it is not as it was written: its checksum differs');
  return { ...accepted, config: { ...accepted.config, host: accepted.config.host ?? hostname() } };
};

/**
 * The text of the file that accepts this config.
 * @param variables those of the environment that change the config
 * @param previous what was accepted before: the same config keeps the time of its acceptance
 */
export const formatAccepted = (
  { config, settings, text, hasHost }: LoadedConfig,
  variables: AcceptedVariables,
  previous: AcceptedReading,
): string => {
  const { configPath, logFormat } = settings;
  const before = previous.kind === 'ok' ? previous.accepted : undefined;
  const accepted: StoredConfig = {
    acceptedAt:
      before !== undefined && isSame(before, { config, logFormat }) ? before.acceptedAt : Date.now(),
    configPath,
    textChecksum: checksum(text),
    variables,
    logFormat,
    config: { ...config, host: hasHost ? config.host : null },
  };
  const file = { version: ACCEPTED_VERSION, checksum: checksum(JSON.stringify(accepted)), accepted };
  return `${JSON.stringify(file)}\n`;
};

/** What the apps use. */
type Used = Pick<AcceptedConfig, 'config' | 'logFormat'>;

/** True when the apps would do the same by both. */
export const isSame = (one: Used, other: Used): boolean =>
  one.logFormat === other.logFormat && JSON.stringify(one.config) === JSON.stringify(other.config);
