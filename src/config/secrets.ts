/** Where alerts and the heartbeat go. Only from `.env`: PM2 shows the environment of its apps to everybody. */
const VARIABLES = {
  slack: { variable: 'SLACK_WEBHOOK_URL', example: 'https://hooks.slack.com/services/T…/B…/…' },
  discord: { variable: 'DISCORD_WEBHOOK_URL', example: 'https://discord.com/api/webhooks/…/…' },
  webhook: { variable: 'WEBHOOK_URL', example: 'https://example.org/alerts' },
  alertmanager: { variable: 'ALERTMANAGER_URL', example: 'http://localhost:9093' },
  heartbeat: { variable: 'HEARTBEAT_URL', example: 'https://hc-ping.com/…' },
} as const;

export type SecretName = keyof typeof VARIABLES;
/** Null where the variable is not set, or empty. */
export type Secrets = Readonly<Record<SecretName, Secret | null>>;
/** Variables as they stand, of `.env` or of the environment. */
type Variables = Readonly<Record<string, string | undefined>>;

const SECRET_NAMES = Object.keys(VARIABLES) as readonly SecretName[];

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
  const parsed = SECRET_NAMES.map((name) => [name, parseUrl(variables[VARIABLES[name].variable])] as const);
  return {
    secrets: Object.fromEntries(parsed.map(([name, url]) => [name, url ? new Secret(url) : null])) as Secrets,
    errors: parsed.flatMap(([name, url]) =>
      url === undefined
        ? [
            `${VARIABLES[name].variable} is not shown here: expected an http or https URL, such as ${VARIABLES[name].example}`,
          ]
        : [],
    ),
  };
};

/** The channels and the heartbeat that are configured, by name. */
export const configuredSecrets = (secrets: Secrets): readonly SecretName[] =>
  SECRET_NAMES.filter((name) => secrets[name] !== null);

/** Names of variables that stand in the environment, where they are not read. */
export const misplacedSecrets = (env: Variables): readonly string[] =>
  SECRET_NAMES.map((name) => VARIABLES[name].variable).filter((variable) => env[variable]);

export const SECRET_VARIABLES: readonly string[] = SECRET_NAMES.map((name) => VARIABLES[name].variable);

/** Null for none, undefined for one that is wrong. */
const parseUrl = (text: string | undefined): URL | null | undefined => {
  if (!text) return null;
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  return url.protocol === 'http:' || url.protocol === 'https:' ? url : undefined;
};
