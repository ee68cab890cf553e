import * as v from 'valibot';
import { integerSchema, textSchema } from '../fields.ts';
import { declareProbe, tlsSchema } from './declaration.ts';

const PATH_EXPECTED = 'a path that begins with "/"';

export const httpProbe = declareProbe({
  schema: v.strictObject({
    type: v.literal('http'),
    path: v.optional(
      v.pipe(
        v.string(PATH_EXPECTED),
        v.regex(/^\/[\x21-\x7e]*$/, PATH_EXPECTED),
        v.description('The path of the request'),
      ),
      '/',
    ),
    status: v.optional(
      integerSchema(100, 599, 'an HTTP status', 'The expected status; default: any of 200 to 399'),
    ),
    body: v.optional(textSchema('A text that the first megabyte of the answer must contain')),
    tls: tlsSchema,
  }),
  summary: 'that a GET is answered as expected',
  expects: 'the status, and the body where one is given',
  example: { type: 'http', path: '/health' },
  touchesUpstream: true,
  isThroughProxy: true,
  scheme: 'http',
  tlsScheme: 'https',
});
