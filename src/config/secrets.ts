/** Where alerts and the heartbeat go. Only from `.env`: PM2 shows the environment of its apps to everybody. */
const VARIABLES = {
  slack: { name: 'SLACK_WEBHOOK_URL', such: 'https://hooks.slack.com/services/T…/B…/…' },
  discord: { name: 'DISCORD_WEBHOOK_URL', such: 'https://discord.com/api/webhooks/…/…' },
  webhook: { name: 'WEBHOOK_URL', such: 'https://example.org/alerts' },
  alertmanager: { name: 'ALERTMANAGER_URL', such: 'http://localhost:9093' },
  heartbeat: { name: 'HEARTBEAT_URL', such: 'https://hc-ping.com/…' },
} as const;

export type SecretUse = keyof typeof VARIABLES;
/** Null where the variable is not set, or empty. */
export type Secrets = Readonly<Record<SecretUse, Secret | null>>;
/** Variables as they stand, of `.env` or of the environment. */
type Variables = Readonly<Record<string, string | undefined>>;

const USES = Object.keys(VARIABLES) as readonly SecretUse[];

/** A URL that shows itself to nobody: not in a text, not in JSON, not in a log of the object. */
export class Secret {
  readonly #url: URL;

  constructor(url: URL) {
    this.#url = url;
  }

  /** For the one who sends to it. */
  reveal(): URL {
    return new URL(this.#url);
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  /** https://nodejs.org/api/util.html#utilinspectcustom */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]';
  }
}

/** @returns also what is wrong with them, without their values */
export const parseSecrets = (
  variables: Variables,
): { readonly secrets: Secrets; readonly errors: readonly string[] } => {
  const parsed = USES.map((use) => [use, parseUrl(variables[VARIABLES[use].name])] as const);
  return {
    secrets: Object.fromEntries(parsed.map(([use, url]) => [use, url ? new Secret(url) : null])) as Secrets,
    errors: parsed.flatMap(([use, url]) =>
      url === undefined
        ? [
            `${VARIABLES[use].name} is not shown here: expected an http or https URL, such as ${VARIABLES[use].such}`,
          ]
        : [],
    ),
  };
};

/** The channels and the heartbeat that are configured, by name. */
export const usesOf = (secrets: Secrets): readonly SecretUse[] => USES.filter((use) => secrets[use] !== null);

/** Names of variables that stand in the environment, where they are not read. */
export const misplacedSecrets = (env: Variables): readonly string[] =>
  USES.map((use) => VARIABLES[use].name).filter((name) => env[name]);

export const SECRET_VARIABLES: readonly string[] = USES.map((use) => VARIABLES[use].name);

/** Null for none, undefined for one that is wrong. */
const parseUrl = (text: string | undefined): URL | null | undefined => {
  if (!text) return null;
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  return url.protocol === 'http:' || url.protocol === 'https:' ? url : undefined;
};
