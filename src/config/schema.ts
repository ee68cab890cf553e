import * as v from 'valibot';
import { CHANNELS, type ChannelName } from '../kinds/channels/registry.ts';
import { SEVERITIES } from '../kinds/channels/severity.ts';
import { integerSchema, textSchema } from '../kinds/fields.ts';
import { probeSchema } from '../kinds/probes/registry.ts';
import { type Address, ipFamily, parseAddress, parseHost } from '../lib/address.ts';
import { parseListenSpec } from '../lib/listen-spec.ts';
import { OPEN_FILES_RESTART_PERCENT } from './defaults.ts';
import { isProjectName, PROJECT_NAME } from './project/project.ts';

const LISTEN =
  '"6274" (every non-loopback address), "IP:PORT", "[IPv6]:PORT", "localhost:PORT", "external:PORT" or ' +
  '"unix:/PATH/NAME.sock"; ports are 1 to 65535, NAME is of letters, digits, "_", "-" and "."';
const UPSTREAM =
  'HOST:PORT, [IPv6]:PORT or unix:/PATH/NAME.sock, such as "localhost:6274"; ports are 1 to 65535';

/** The valid values, as every message and steadyport.schema.json describe them. */
const EXPECTED = {
  host: 'a name of letters, digits, ".", "-" and "_", at most 253, such as "devbox"',
  project: PROJECT_NAME,
  proxies: 'a list such as [{"listen": "6274", "upstream": "localhost:6274"}]',
  proxy: 'an object such as {"listen": "6274", "upstream": "localhost:6274"}',
  listen: `a text: ${LISTEN}`,
  upstream: `a text: ${UPSTREAM}`,
  http: 'IP:PORT such as "127.0.0.1:6270", or false for no page',
  allowedHosts: 'a host name without a port, such as "steadyport.example.com"',
  allow: 'an IP address, a CIDR block such as "192.0.2.0/24", or one of: loopback, private, any',
  engine: 'one of: auto, kernel, portable',
  severity: 'one of: critical, warning, info',
  time: 'a time of day, "00:00" to "23:59"',
  timeZone: 'a time zone of the IANA\'s list, such as "Europe/Berlin"',
  quietHours: 'an object such as {"from": "22:00", "to": "07:00"}',
};

/** True for an object in the sense of JSON: neither null nor a list. */
export const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** An object without other keys. `expected` is the text that messages ask for. */
const objectSchema = <const Entries extends v.ObjectEntries>(entries: Entries, expected = 'an object') =>
  v.strictObject(entries, expected);

/** A duration up to 24 days, the maximum of a Node.js timer. */
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

/** Reads the address of the monitor's HTTP. A name other than localhost is refused, since it would need a DNS lookup. */
const parseHttp = (entry: string): Address | undefined => {
  const address = parseAddress(entry);
  return address && (ipFamily(address.host) !== 0 || address.host === 'localhost') ? address : undefined;
};

const limitSchema = (warnDefault: number, restart: number, max: number, description: string) =>
  v.optional(
    v.pipe(
      objectSchema({
        warn: v.optional(
          integerSchema(0, max, 'a whole number', 'The value from which on there is a warning; 0: never'),
          warnDefault,
        ),
        restart: v.optional(
          integerSchema(0, max, 'a whole number', 'The value from which on the proxy is restarted; 0: never'),
          restart,
        ),
      }),
      v.description(description),
    ),
    {},
  );
const MAX_BYTES = 2 ** 50;

/** Defaults that the measured use of a proxy stays far below (docs/decisions.md: ADR-0024). */
const limitsSchema = objectSchema({
  memoryBytes: limitSchema(268_435_456, 536_870_912, MAX_BYTES, 'Resident memory: the minimum within 30 s'),
  cpuPercent: limitSchema(90, 0, 100_000, 'CPU time in percent of one core: the average over a minute'),
  openFilesPercent: limitSchema(80, OPEN_FILES_RESTART_PERCENT, 100, 'Open files in percent of their limit'),
  lagMs: limitSchema(100, 0, 60_000, 'The time of an answer to the monitor: the minimum within 30 s'),
});

export const proxySchema = objectSchema(
  {
    label: v.optional(
      v.pipe(
        textSchema(
          'The purpose of the port, for people, in at most 200 characters; default: "port" and its number, or "socket" and its name',
        ),
        v.maxLength(200, 'a text of at most 200 characters'),
      ),
    ),
    listen: parsedTextSchema(parseListenSpec, EXPECTED.listen, `The address for clients: ${LISTEN}`),
    upstream: parsedTextSchema(parseAddress, EXPECTED.upstream, `The address to forward to: ${UPSTREAM}`),
    enabled: v.optional(
      v.pipe(
        v.boolean('true or false'),
        v.description(
          'False: the port stays closed, and is free for others; the entry is checked all the same',
        ),
      ),
      true,
    ),
    probe: v.optional(
      v.pipe(
        probeSchema,
        v.description(
          'The check of the upstream; default: listen for an upstream on the loopback of this machine, otherwise tcp',
        ),
      ),
    ),
    allow: v.optional(
      v.pipe(
        v.array(
          parsedTextSchema(parseAllow, EXPECTED.allow, EXPECTED.allow),
          `a list, each entry ${EXPECTED.allow}`,
        ),
        v.description(
          'The clients that may connect; all others are refused. An empty list refuses everybody',
        ),
      ),
      ['loopback', 'private'],
    ),
    holdMs: v.optional(
      durationSchema(
        0,
        'The time for which a client is kept waiting while the upstream cannot be reached; 0: it does not wait',
      ),
      10_000,
    ),
    connectTimeoutMs: v.optional(
      durationSchema(1, 'The time that one address of the upstream has to accept a connection'),
      5_000,
    ),
    idleTimeoutMs: v.optional(
      durationSchema(0, 'The time without data in both directions after which a connection is cut; 0: never'),
      3_600_000,
    ),
    halfCloseTimeoutMs: v.optional(
      durationSchema(0, 'The time that one side may be silent after the other has closed; 0: no limit'),
      60_000,
    ),
    maxConnections: v.optional(
      countSchema(
        0,
        'The maximum number of clients at a time; further ones wait for a slot. 0: as many as the limit of open files allows, nearly half of it',
      ),
      0,
    ),
    maxHeld: v.optional(
      countSchema(
        0,
        'The maximum number of clients that wait, for the upstream or for a slot; further ones are reset. It is never more than a twenty-fifth of the limit of open files. 0: none',
      ),
      1_000,
    ),
    drainMs: v.optional(
      durationSchema(
        0,
        'The time that open connections have to finish at a stop; under PM2 at most 1500 ms of it are used. 0: they are cut at once',
      ),
      10_000,
    ),
    logOpen: v.optional(
      v.pipe(
        v.boolean('true or false'),
        v.description('True: the log has a line for the start of each connection, too'),
      ),
      false,
    ),
    engine: v.optional(
      v.pipe(
        v.picklist(['auto', 'kernel', 'portable'], EXPECTED.engine),
        v.description(
          'The engine that moves the bytes; auto: kernel on Linux where it is available, otherwise portable',
        ),
      ),
      'auto',
    ),
    optional: v.optional(
      v.pipe(
        v.boolean('true or false'),
        v.description(
          'True: the upstream may be off. The state is then waiting, there is no alert, and the status exits with 0',
        ),
      ),
      false,
    ),
    alerts: v.optional(
      v.pipe(
        objectSchema({
          afterMs: v.optional(
            durationSchema(
              0,
              'The time that an outage of this port lasts before it is announced; default: that of `alerts` beside `proxies`',
            ),
          ),
        }),
        v.description('When people are told of this port'),
      ),
      {},
    ),
    limits: v.optional(
      v.pipe(
        limitsSchema,
        v.description('The resources that a proxy may use before there is a warning or a restart'),
      ),
      {},
    ),
  },
  EXPECTED.proxy,
);

export const monitorSchema = objectSchema({
  intervalMs: v.optional(durationSchema(50, 'The interval of the cheap checks of a proxy itself'), 1_000),
  probeIntervalMs: v.optional(
    durationSchema(
      100,
      'The interval of the probes that connect to an upstream (all but listen), while all is well',
    ),
    10_000,
  ),
  fastIntervalMs: v.optional(
    durationSchema(
      10,
      'The interval of the checks while something is wrong, for the first 20 failures; at most intervalMs',
    ),
    250,
  ),
  failureThreshold: v.optional(
    countSchema(
      1,
      'The number of failures in a row at which a port is down and a proxy that hangs is restarted, and of failures since it was last healthy at which there is an ALERT in the log',
    ),
    3,
  ),
  successThreshold: v.optional(countSchema(1, 'The number of successes in a row that end an incident'), 2),
  maxRestarts: v.optional(
    countSchema(0, 'The maximum number of restarts of a port within restartWindowMs; 0: none'),
    10,
  ),
  restartWindowMs: v.optional(
    durationSchema(1_000, 'The time for which a restart counts against maxRestarts'),
    600_000,
  ),
  restartCooldownMs: v.optional(
    durationSchema(
      1_000,
      'The pause before one more try when maxRestarts is used up; it doubles with each try, up to 10 min',
    ),
    60_000,
  ),
  probeTimeoutMs: v.optional(
    durationSchema(10, 'The time that an upstream has to answer a probe; less than probeIntervalMs'),
    2_000,
  ),
  http: v.optional(
    v.pipe(
      v.union([v.literal(false), parsedTextSchema(parseHttp, EXPECTED.http, EXPECTED.http)], EXPECTED.http),
      v.description(
        "The address (IP:PORT) of the monitor's own HTTP, with metrics and status. It has no password: leave it on loopback. False: none. A project other than default gets a free port from 6271 on instead of 6270, and keeps it",
      ),
    ),
    '127.0.0.1:6270',
  ),
  allowedHosts: v.optional(
    v.pipe(
      v.array(
        parsedTextSchema(parseHost, EXPECTED.allowedHosts, EXPECTED.allowedHosts),
        `a list, each entry ${EXPECTED.allowedHosts}`,
      ),
      v.description(
        "The names by which clients reach the monitor's HTTP, besides IP addresses, localhost and the name of this machine",
      ),
    ),
    [],
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
    countSchema(
      1,
      'A port with more than this within windowMs is announced once, as flapping: outages that last long enough to be announced, and restarts of the proxy, however short',
    ),
    4,
  ),
  windowMs: v.optional(
    durationSchema(
      1_000,
      'The time for which such an outage or restart counts, and for which the state must then stay the same; more than groupWaitMs',
    ),
    600_000,
  ),
  afterMs: v.optional(
    durationSchema(0, 'The time that an outage of a flapping port lasts before it is announced all the same'),
    120_000,
  ),
});

const quietHoursSchema = objectSchema(
  {
    from: timeOfDaySchema('The beginning of the quiet hours'),
    to: timeOfDaySchema('The end of the quiet hours'),
    timeZone: v.optional(
      v.pipe(
        v.string(EXPECTED.timeZone),
        v.check(isTimeZone, EXPECTED.timeZone),
        v.description('The time zone of both times; default: that of this machine (TZ)'),
      ),
    ),
  },
  EXPECTED.quietHours,
);

/** The settings of one channel. */
const channelSchema = objectSchema({
  afterMs: v.optional(
    durationSchema(
      0,
      'The time that an outage lasts at least before this channel hears of it, also when restarts were given up',
    ),
    0,
  ),
  minSeverity: v.optional(
    v.pipe(
      v.picklist(SEVERITIES, EXPECTED.severity),
      v.description(
        'The least severity that this channel hears of. The end of an outage goes where its beginning went',
      ),
    ),
    'info',
  ),
});

const channelsSchema = objectSchema(
  Object.fromEntries(CHANNELS.map(({ name }) => [name, v.optional(channelSchema)])) as Readonly<
    Record<ChannelName, v.OptionalSchema<typeof channelSchema, undefined>>
  >,
);

/** The settings of the alerts; docs/alerts.md describes them. */
export const alertsSchema = objectSchema({
  afterMs: v.optional(
    durationSchema(
      0,
      'The time that an outage lasts before it is announced; one that ends within it is only counted. 0: at once',
    ),
    60_000,
  ),
  ownFaultAfterMs: v.optional(
    durationSchema(
      0,
      "The same for a fault that is not the application's, but of the proxy or of its port; at most afterMs",
    ),
    15_000,
  ),
  channels: v.optional(
    v.pipe(channelsSchema, v.description('The channels that hear of less, or later, than the others')),
    {},
  ),
  groupWaitMs: v.optional(
    durationSchema(
      0,
      'Notifications within this time after the first become one message; 0: each is sent at once',
    ),
    5_000,
  ),
  repeatIntervalMs: v.optional(
    durationSchema(
      0,
      'The interval of the reminders while a port stays down; more than groupWaitMs. 0: none',
    ),
    14_400_000,
  ),
  flapping: v.optional(
    v.pipe(
      flappingSchema,
      v.description('The definition of a flapping port, which is announced once instead of each time'),
    ),
    {},
  ),
  quietHours: v.optional(
    v.pipe(
      quietHoursSchema,
      v.description(
        'The hours in which notifications that are not critical wait until their end; default: none',
      ),
    ),
  ),
});

export const logsSchema = objectSchema({
  maxBytes: v.optional(
    integerSchema(
      0,
      MAX_BYTES,
      'a whole number',
      'The monitor rotates a log that is larger than this; 0: it rotates none',
    ),
    20_971_520,
  ),
  maxFiles: v.optional(countSchema(1, 'The number of rotated files of each log that it keeps'), 14),
});

/** The schema of steadyport.json; steadyport.schema.json is made from it. */
export const configSchema = objectSchema({
  $schema: v.optional(textSchema('The JSON schema of this file, for editors')),
  host: v.optional(
    v.pipe(
      v.string(EXPECTED.host),
      v.regex(/^[\w.-]{1,253}$/, EXPECTED.host),
      v.description("The machine's name in alerts, in the status and in the metrics; default: its host name"),
    ),
  ),
  project: v.optional(
    v.pipe(
      v.string(EXPECTED.project),
      v.check(isProjectName, EXPECTED.project),
      v.description(
        'The name under which its apps, its state and its monitor are kept apart from those of other configs; default: ' +
          '"default" beside ecosystem.config.js, otherwise the name of its folder',
      ),
    ),
  ),
  proxies: v.pipe(
    v.array(proxySchema, EXPECTED.proxies),
    v.nonEmpty(`at least one proxy: ${EXPECTED.proxies}`),
    v.description('The ports to forward'),
  ),
  monitor: v.optional(monitorSchema, {}),
  alerts: v.optional(alertsSchema, {}),
  logs: v.optional(
    v.pipe(
      logsSchema,
      v.description('The rotation of logs by the monitor, where no other program rotates them'),
    ),
    {},
  ),
});
