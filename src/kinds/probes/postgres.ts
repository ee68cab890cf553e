import * as v from 'valibot';
import { declareProbe, tlsSchema } from './declaration.ts';

const NAME_EXPECTED = 'a name without control characters, up to 63 bytes';
const MAX_NAME_BYTES = 63;

/** PostgreSQL cuts longer names (NAMEDATALEN). A zero byte would end the name in the startup message. */
const nameSchema = (description: string) =>
  v.pipe(
    v.string(NAME_EXPECTED),
    v.nonEmpty(NAME_EXPECTED),
    v.regex(/^\P{Cc}*$/u, NAME_EXPECTED),
    v.maxBytes(MAX_NAME_BYTES, NAME_EXPECTED),
    v.description(description),
  );

export const postgresProbe = declareProbe({
  schema: v.strictObject({
    type: v.literal('postgres'),
    user: v.optional(nameSchema('The user for whom a login is begun; no password is sent'), 'postgres'),
    database: v.optional(
      nameSchema('The database of the login; default: the one with the same name as the user'),
    ),
    tls: tlsSchema,
  }),
  summary: 'that PostgreSQL takes a startup message',
  expects:
    'a request for authentication, or an error other than 57P03 ("the database system is starting up")',
  example: { type: 'postgres', user: 'app' },
  touchesUpstream: true,
  isThroughProxy: true,
  // https://www.postgresql.org/docs/current/libpq-connect.html#LIBPQ-CONNSTRING-URIS
  scheme: 'postgresql',
});
