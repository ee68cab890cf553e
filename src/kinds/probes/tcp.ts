import * as v from 'valibot';
import { declareProbe } from './declaration.ts';

export const tcpProbe = declareProbe({
  schema: v.strictObject({ type: v.literal('tcp') }),
  summary: 'that a connection to the upstream is accepted',
  expects: 'an accepted connection',
  example: { type: 'tcp' },
  touchesUpstream: true,
  isThroughProxy: false,
  scheme: 'tcp',
});
