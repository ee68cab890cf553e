import * as v from 'valibot';
import { declareProbe } from './declaration.ts';

export const listenProbe = declareProbe({
  schema: v.strictObject({ type: v.literal('listen') }),
  summary: "that something listens on the upstream's port, by the system's socket table",
  expects: 'a listener in the socket table of this machine',
  example: { type: 'listen' },
  touchesUpstream: false,
  isThroughProxy: false,
  scheme: 'tcp',
});
