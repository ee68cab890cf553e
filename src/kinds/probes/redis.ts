import * as v from 'valibot';
import { declareProbe, tlsSchema } from './declaration.ts';

export const redisProbe = declareProbe({
  schema: v.strictObject({ type: v.literal('redis'), tls: tlsSchema }),
  summary: 'that Redis, or a server with its protocol, answers PING',
  expects: '`+PONG`, or `-NOAUTH` or `-NOPERM`: the server lives, and wants a login',
  example: { type: 'redis' },
  touchesUpstream: true,
  isThroughProxy: true,
  // The schemes of the URIs that redis-cli takes: https://redis.io/docs/latest/develop/tools/cli/
  scheme: 'redis',
  tlsScheme: 'rediss',
});
