import * as v from 'valibot';
import { declareProbe, tlsSchema } from './declaration.ts';

const TEXT_EXPECTED = 'the text that the answer must have in it, such as "+PONG"';

export const expectProbe = declareProbe({
  schema: v.strictObject({
    type: v.literal('expect'),
    send: v.optional(
      v.pipe(
        v.string('a text'),
        v.description('The text to send; default: none, so the probe waits for a greeting'),
      ),
      '',
    ),
    expect: v.pipe(
      v.string(TEXT_EXPECTED),
      v.nonEmpty(TEXT_EXPECTED),
      v.description('A text that the first megabyte of the answer must contain'),
    ),
    tls: tlsSchema,
  }),
  summary: 'that one text is answered by another',
  expects: 'the text of `expect` in the answer',
  example: { type: 'expect', expect: 'SSH-2.0' },
  touchesUpstream: true,
  isThroughProxy: true,
  scheme: 'tcp',
});
