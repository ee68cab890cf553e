import { type ChannelKind, checkHttpUrl } from '../kinds/channels/channel-kind.ts';
import { CHANNELS, type ChannelName } from '../kinds/channels/registry.ts';

export type SecretName = ChannelName | 'heartbeat';
/** The secrets by name; null where the variable is not set, or empty. */
export type Secrets = Readonly<Record<SecretName, Secret | null>>;
/** Variables of `.env` or of the environment, unparsed. */
type Variables = Readonly<Record<string, string | undefined>>;

type SecretVariable = Pick<ChannelKind, 'variable' | 'example' | 'check' | 'isList' | 'isProgram'> & {
  readonly name: SecretName;
};

const HEARTBEAT: SecretVariable = {
  name: 'heartbeat',
  variable: 'HEARTBEAT_URL',
  example: 'https://hc-ping.com/…',
};

/**
 * The variables of the channels and of the heartbeat. They are read from `.env` only: PM2 shows the environment of its apps
 * to everybody.
 */
const SECRETS: readonly SecretVariable[] = [...CHANNELS, HEARTBEAT];

/** A value that appears as "[secret]" in a text, in JSON and in a log of the object. */
export class Secret {
  readonly #value: string;

  constructor(value: string) {
    this.#value = value;
  }

  reveal(): string {
    return this.#value;
  }

  /** A new URL of the value. @throws TypeError when it is none, such as the path of a program */
  revealUrl(): URL {
    return new URL(this.#value);
  }

  /** The parts of a value that is a list, with commas or spaces between them. */
  split(): readonly Secret[] {
    return splitList(this.#value).map((part) => new Secret(part));
  }

  toString(): string {
    return '[secret]';
  }

  toJSON(): string {
    return '[secret]';
  }

  /** Hides the value from util.inspect: https://nodejs.org/api/util.html#utilinspectcustom */
  [Symbol.for('nodejs.util.inspect.custom')](): string {
    return '[secret]';
  }
}

/** @returns the secrets, and an error for each that is wrong. No error has the value of a URL */
export const parseSecrets = (
  variables: Variables,
): { readonly secrets: Secrets; readonly errors: readonly string[] } => {
  const parsed = SECRETS.map((secret) => {
    const value = variables[secret.variable] || null;
    const expected = value === null ? null : checkValue(secret, value);
    return {
      entry: [secret.name, value === null || expected !== null ? null : new Secret(value)],
      errors: value === null || expected === null ? [] : [describeWrong(secret, value, expected)],
    };
  });
  return {
    secrets: Object.fromEntries(parsed.map(({ entry }) => entry)) as Secrets,
    errors: parsed.flatMap(({ errors }) => errors),
  };
};

/** @returns what would be right; null when the value can be used */
const checkValue = ({ check = checkHttpUrl, isList }: SecretVariable, value: string): string | null => {
  if (!isList) return check(value);
  const parts = splitList(value);
  if (parts.length === 0) return 'at least one value';
  const firstWrong = parts.map((part) => check(part)).find((expected) => expected !== null);
  if (firstWrong !== undefined)
    return parts.length > 1 ? `${firstWrong} in each part of the list` : firstWrong;
  const urls = parts.map((part) => new URL(part).href);
  return new Set(urls).size < urls.length ? 'each address once' : null;
};

const splitList = (value: string): readonly string[] => value.split(/[\s,]+/).filter((part) => part !== '');

const describeWrong = (
  { variable, example, isProgram }: SecretVariable,
  value: string,
  expected: string,
): string =>
  `${variable} is ${isProgram ? JSON.stringify(value) : 'not shown here'}: expected ${expected}, such as ${example}`;

/** The programs that are configured, each with the variable that names it. */
export const configuredPrograms = (
  secrets: Secrets,
): readonly { readonly variable: string; readonly path: string }[] =>
  SECRETS.flatMap(({ name, variable, isProgram }) => {
    const path = isProgram ? secrets[name]?.reveal() : undefined;
    return path === undefined ? [] : [{ variable, path }];
  });

/** The names of the channels that are configured, and of the heartbeat. */
export const configuredSecrets = (secrets: Secrets): readonly SecretName[] =>
  SECRETS.map(({ name }) => name).filter((name) => secrets[name] !== null);

/** The secret variables that are set in the environment, where they are not read. */
export const misplacedSecrets = (env: Variables): readonly string[] =>
  SECRET_VARIABLES.filter((variable) => env[variable]);

export const SECRET_VARIABLES: readonly string[] = SECRETS.map(({ variable }) => variable);
