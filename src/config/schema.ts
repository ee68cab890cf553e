import * as v from 'valibot';
import { integerSchema, textSchema } from '../kinds/fields.ts';
import { probeSchema } from '../kinds/probes/registry.ts';
import { type Address, ipFamily, parseAddress } from '../lib/address.ts';
import { parseListenSpec } from '../lib/listen-spec.ts';
import { OPEN_FILES_RESTART_PERCENT } from './defaults.ts';

const LISTEN =
  '"6274" (every non-loopback address), "IP:PORT", "[IPv6]:PORT", "localhost:PORT", "external:PORT" or ' +
  '"unix:/PATH/NAME.sock"; ports are 1 to 65535, NAME is of letters, digits, "_", "-" and "."';
const UPSTREAM =
  'HOST:PORT, [IPv6]:PORT or unix:/PATH/NAME.sock, such as "localhost:6274"; ports are 1 to 65535';

/** What would be right, in the words of every message and of steadyport.schema.json. */
const EXPECTED = {
  proxies: 'a list such as [{"listen": "6274", "upstream": "localhost:6274"}]',
  proxy: 'an object such as {"listen": "6274", "upstream": "localhost:6274"}',
  listen: `a text: ${LISTEN}`,
  upstream: `a text: ${UPSTREAM}`,
  http: 'IP:PORT such as "127.0.0.1:6270", or false for no page',
  allow: 'an IP address, a CIDR block such as "192.0.2.0/24", or one of: loopback, private, any',
  engine: 'one of: auto, kernel, portable',
  time: 'a time of day, "00:00" to "23:59"',
  timeZone: 'a time zone of the IANA\'s list, such as "Europe/Berlin"',
  quietHours: 'an object such as {"from": "22:00", "to": "07:00"}',
};

/** What JSON calls an object. */
export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** An object without other keys. `expected` is what messages ask for in its place. */
const objectSchema = <const Entries extends v.ObjectEntries>(entries: Entries, expected = 'an object') =>
  v.strictObject(entries, expected);

/** A duration up to 24 days, the longest that a Node.js timer takes. */
const durationSchema = (min: number, description: string) =>
  integerSchema(min, 2_147_483_647, 'whole milliseconds', description);
const countSchema = (min: number, description: string) =>
  integerSchema(min, 1_000_000, 'a whole number', description);
const parsedTextSchema = <T>(parse: (text: string) => T | undefined, expected: string, description: string) =>
  v.pipe(
    v.string(expected),
    v.check((value) => parse(value) !== undefined, expected),
    v.description(description),
    v.transform((value) => parse(value) as T),
  );

/** Names and CIDR blocks; the names are those of {@link EXPECTED.allow}. */
const parseAllow = (entry: string): string | undefined => {
  if (['loopback', 'private', 'any'].includes(entry)) return entry;
  const [host = '', prefixLength, rest] = entry.split('/');
  const maxPrefixLength = host.includes(':') ? 128 : 32;
  const isPrefixValid =
    prefixLength === undefined || (/^\d{1,3}$/.test(prefixLength) && Number(prefixLength) <= maxPrefixLength);
  return ipFamily(host) !== 0 && !host.includes('%') && isPrefixValid && rest === undefined
    ? entry
    : undefined;
};

/** Where the monitor's page is: a name other than localhost would have to be looked up first. */
const parseHttp = (entry: string): Address | undefined => {
  const address = parseAddress(entry);
  return address && (ipFamily(address.host) !== 0 || address.host === 'localhost') ? address : undefined;
};

const limitSchema = (warnDefault: number, restart: number, max: number, description: string) =>
  v.optional(
    v.pipe(
      objectSchema({
        warn: v.optional(integerSchema(0, max, 'a whole number', 'Told from here on; 0: never'), warnDefault),
        restart: v.optional(
          integerSchema(0, max, 'a whole number', 'Restarted from here on; 0: never'),
          restart,
        ),
      }),
      v.description(description),
    ),
    {},
  );
const MAX_BYTES = 2 ** 50;

/** Defaults that the measured use of a proxy stays far below (docs/decisions.md: limits). */
const limitsSchema = objectSchema({
  memoryBytes: limitSchema(268_435_456, 536_870_912, MAX_BYTES, 'Resident memory, the least within 30 s'),
  cpuPercent: limitSchema(90, 0, 100_000, 'Of one core, over a minute'),
  openFilesPercent: limitSchema(80, OPEN_FILES_RESTART_PERCENT, 100, 'Of the limit of open files'),
  lagMs: limitSchema(100, 0, 60_000, 'What an answer to the monitor takes, the least within 30 s'),
});

export const proxySchema = objectSchema(
  {
    label: v.optional(
      textSchema('What the port is for, for people; default "port" and its number, or "socket" and its name'),
    ),
    listen: parsedTextSchema(parseListenSpec, EXPECTED.listen, `Where clients connect: ${LISTEN}`),
    upstream: parsedTextSchema(parseAddress, EXPECTED.upstream, `Where to forward: ${UPSTREAM}`),
    probe: v.optional(
      v.pipe(
        probeSchema,
        v.description('How the upstream is checked; default listen on this host, else tcp'),
      ),
    ),
    allow: v.optional(
      v.pipe(
        v.array(
          parsedTextSchema(parseAllow, EXPECTED.allow, EXPECTED.allow),
          `a list, each entry ${EXPECTED.allow}`,
        ),
        v.description('Who may connect; anybody else is refused'),
      ),
      ['loopback', 'private'],
    ),
    holdMs: v.optional(
      durationSchema(0, 'How long a client waits for an upstream that is away; 0: not at all'),
      10_000,
    ),
    connectTimeoutMs: v.optional(
      durationSchema(1, 'How long one address of the upstream may take to answer'),
      5_000,
    ),
    idleTimeoutMs: v.optional(
      durationSchema(0, 'How long nothing may be sent either way; 0: for ever'),
      3_600_000,
    ),
    halfCloseTimeoutMs: v.optional(
      durationSchema(0, 'How long the other side may be silent when one has closed; 0: for ever'),
      60_000,
    ),
    maxConnections: v.optional(
      countSchema(0, 'How many clients at a time; 0: from the limit of open files'),
      0,
    ),
    maxHeld: v.optional(
      countSchema(0, 'How many clients may wait, for the upstream or for a place; 0: none'),
      1_000,
    ),
    drainMs: v.optional(
      durationSchema(0, 'How long open connections may take to finish at a stop; 0: cut at once'),
      10_000,
    ),
    logOpen: v.optional(
      v.pipe(v.boolean('true or false'), v.description('True: a line when a connection opens, too')),
      false,
    ),
    engine: v.optional(
      v.pipe(
        v.picklist(['auto', 'kernel', 'portable'], EXPECTED.engine),
        v.description(
          'What moves the bytes; auto is kernel on Linux where it can be had, otherwise portable',
        ),
      ),
      'auto',
    ),
    optional: v.optional(
      v.pipe(v.boolean('true or false'), v.description('True: an upstream that is off is no incident')),
      false,
    ),
    limits: v.optional(
      v.pipe(limitsSchema, v.description('What a proxy may use: from when it is told, and restarted')),
      {},
    ),
  },
  EXPECTED.proxy,
);

export const monitorSchema = objectSchema({
  intervalMs: v.optional(durationSchema(50, 'Between the cheap checks of the proxies themselves'), 1_000),
  probeIntervalMs: v.optional(
    durationSchema(100, 'Between checks that touch an upstream, while all is well'),
    10_000,
  ),
  fastIntervalMs: v.optional(durationSchema(10, 'Between checks while something is wrong'), 250),
  failureThreshold: v.optional(countSchema(1, 'Failures in a row before a restart, and before an alert'), 3),
  successThreshold: v.optional(countSchema(1, 'Successes in a row that end an incident'), 2),
  maxRestarts: v.optional(countSchema(0, 'How many restarts of a port within restartWindowMs; 0: none'), 10),
  restartWindowMs: v.optional(durationSchema(1_000, 'How long a restart counts against the budget'), 600_000),
  restartCooldownMs: v.optional(
    durationSchema(
      1_000,
      'When the budget is spent: one more try after so long, then after twice that, up to 10 min',
    ),
    60_000,
  ),
  probeTimeoutMs: v.optional(durationSchema(10, 'How long an upstream may take to answer a probe'), 2_000),
  http: v.optional(
    v.pipe(
      v.union([v.literal(false), parsedTextSchema(parseHttp, EXPECTED.http, EXPECTED.http)], EXPECTED.http),
      v.description("The monitor's own HTTP: metrics and status"),
    ),
    '127.0.0.1:6270',
  ),
});

const isTimeZone = (name: string): boolean => {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).format(0) !== '';
  } catch {
    return false;
  }
};

const timeOfDaySchema = (description: string) =>
  v.pipe(
    v.string(EXPECTED.time),
    v.regex(/^([01]\d|2[0-3]):[0-5]\d$/, EXPECTED.time),
    v.description(description),
  );

const flappingSchema = objectSchema({
  threshold: v.optional(
    countSchema(1, 'A port that goes down or is restarted more often within windowMs is told of once'),
    4,
  ),
  windowMs: v.optional(
    durationSchema(1_000, 'How long that counts, and how long it must then stay the same'),
    600_000,
  ),
});

const quietHoursSchema = objectSchema(
  {
    from: timeOfDaySchema('When they begin'),
    to: timeOfDaySchema('When they end'),
    timeZone: v.optional(
      v.pipe(
        v.string(EXPECTED.timeZone),
        v.check(isTimeZone, EXPECTED.timeZone),
        v.description("Whose time; default: this machine's"),
      ),
    ),
  },
  EXPECTED.quietHours,
);

/** What people are told, and when; see the README. */
export const alertsSchema = objectSchema({
  groupWaitMs: v.optional(
    durationSchema(0, 'What comes within so long of the first is one message; 0: each at once'),
    5_000,
  ),
  repeatIntervalMs: v.optional(
    durationSchema(0, 'While a port is down it is told again so often; 0: never'),
    14_400_000,
  ),
  flapping: v.optional(
    v.pipe(flappingSchema, v.description('When a port comes and goes too often to be told each time')),
    {},
  ),
  quietHours: v.optional(
    v.pipe(quietHoursSchema, v.description('What is not critical waits for their end; default: none')),
  ),
});

export const logsSchema = objectSchema({
  maxBytes: v.optional(
    integerSchema(
      0,
      MAX_BYTES,
      'a whole number',
      'The monitor rotates a log that has grown past this; 0: none',
    ),
    20_971_520,
  ),
  maxFiles: v.optional(countSchema(1, 'How many rotated files of each log it keeps'), 14),
});

/** The schema of steadyport.json; steadyport.schema.json is made from it. */
export const configSchema = objectSchema({
  $schema: v.optional(textSchema('The JSON schema of this file, for editors')),
  proxies: v.pipe(
    v.array(proxySchema, EXPECTED.proxies),
    v.nonEmpty(`at least one proxy: ${EXPECTED.proxies}`),
    v.description('The ports to forward'),
  ),
  monitor: v.optional(monitorSchema, {}),
  alerts: v.optional(alertsSchema, {}),
  logs: v.optional(
    v.pipe(logsSchema, v.description('What becomes of logs where nobody else rotates them')),
    {},
  ),
});
