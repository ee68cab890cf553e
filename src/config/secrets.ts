import type { ChannelKind } from '../kinds/channels/channel-kind.ts';
import { CHANNELS, type ChannelName } from '../kinds/channels/registry.ts';

export type SecretName = ChannelName | 'heartbeat';
/** The secrets by name; null where the variable is not set, or empty. */
export type Secrets = Readonly<Record<SecretName, Secret | null>>;
/** Variables of `.env` or of the environment, unparsed. */
type Variables = Readonly<Record<string, string | undefined>>;

type SecretVariable = Pick<ChannelKind, 'variable' | 'example' | 'urlPath'> & { readonly name: SecretName };

const HEARTBEAT: SecretVariable = {
  name: 'heartbeat',
  variable: 'HEARTBEAT_URL',
  example: 'https://hc-ping.com/…',
};

/**
 * The URLs of the channels and of the heartbeat. They are read from `.env` only: PM2 shows the environment of its apps
 * to everybody.
 */
const SECRETS: readonly SecretVariable[] = [...CHANNELS, HEARTBEAT];

/** A URL that appears as "[secret]" in a text, in JSON and in a log of the object. */
export class Secret {
  readonly #url: URL;

  constructor(url: URL) {
    this.#url = url;
  }

  /** A copy of the URL, for the HTTP client. */
  reveal(): URL {
    return new URL(this.#url);
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  /** Hides the URL from util.inspect: https://nodejs.org/api/util.html#utilinspectcustom */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]';
  }
}

/** @returns the secrets, and an error for each that is wrong, without its value */
export const parseSecrets = (
  variables: Variables,
): { readonly secrets: Secrets; readonly errors: readonly string[] } => {
  const parsed = SECRETS.map((secret) => ({ secret, url: parseUrl(variables[secret.variable], secret) }));
  const entries = parsed.map(({ secret, url }) => [secret.name, url ? new Secret(url) : null]);
  return {
    secrets: Object.fromEntries(entries) as Secrets,
    errors: parsed
      .filter(({ url }) => url === undefined)
      .map(
        ({ secret: { variable, example, urlPath } }) =>
          `${variable} is not shown here: expected an http or https URL${urlPath ? ` ${urlPath.expected}` : ''}, such as ${example}`,
      ),
  };
};

/** The names of the channels that are configured, and of the heartbeat. */
export const configuredSecrets = (secrets: Secrets): readonly SecretName[] =>
  SECRETS.map(({ name }) => name).filter((name) => secrets[name] !== null);

/** The secret variables that are set in the environment, where they are not read. */
export const misplacedSecrets = (env: Variables): readonly string[] =>
  SECRET_VARIABLES.filter((variable) => env[variable]);

export const SECRET_VARIABLES: readonly string[] = SECRETS.map(({ variable }) => variable);

/** @returns null when the variable is not set, undefined when the URL cannot be used */
const parseUrl = (text: string | undefined, { urlPath }: SecretVariable): URL | null | undefined => {
  if (!text) return null;
  if (!URL.canParse(text)) return undefined;
  const url = new URL(text);
  const isHttp = url.protocol === 'http:' || url.protocol === 'https:';
  const hasUsablePath = urlPath === undefined || urlPath.pattern.test(url.pathname);
  return isHttp && hasUsablePath ? url : undefined;
};
