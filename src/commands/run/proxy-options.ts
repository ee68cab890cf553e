type ReadOption = (value: unknown) => unknown;

/** A value that is not a whole number stays as it was typed: parseConfig then refuses it by the name of its key. */
const readNumber: ReadOption = (value) => (/^\d+$/.test(String(value)) ? Number(value) : value);
const readText: ReadOption = (value) => value;
/** An option that may be repeated, and that may list several values with commas. */
const readList: ReadOption = (value) => [value].flat().flatMap((list) => String(list).split(','));

/** The options of `steadyport proxy`: for each the key of the config's `proxies[]` entry, and how to read its value. */
export const PROXY_OPTIONS: Readonly<Record<string, readonly [key: string, read: ReadOption]>> = {
  engine: ['engine', readText],
  'hold-ms': ['holdMs', readNumber],
  'connect-timeout-ms': ['connectTimeoutMs', readNumber],
  'idle-timeout-ms': ['idleTimeoutMs', readNumber],
  'half-close-timeout-ms': ['halfCloseTimeoutMs', readNumber],
  'max-connections': ['maxConnections', readNumber],
  allow: ['allow', readList],
};
