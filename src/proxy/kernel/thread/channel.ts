import type { Address } from '../../../lib/address.ts';
import { REASONS, type Reason } from '../../../lib/close-reason.ts';
import type { Resolved } from '../../../system/dns.ts';
import type { ConnectionRecord, Policy } from '../../engine.ts';
/**
 * Between the main thread and the data path's: commands one way, reports the other, and counters in memory that both
 * see. The data path reads its commands when its eventfd wakes it, and before any event that came with them.
 */
export type Command =
  | { readonly kind: 'listen' | 'unlisten'; readonly id: number; readonly address: Address }
  | { readonly kind: 'local'; readonly addresses: readonly string[] }
  | { readonly kind: 'check'; readonly localPort: number; readonly forward: boolean }
  | { readonly kind: 'resolved'; readonly resolved: Resolved }
  | { readonly kind: 'drain'; readonly limitMs: number };

export type Report =
  /** @param wake the eventfd */
  | { readonly kind: 'ready'; readonly wake: number }
  | {
      readonly kind: 'done';
      readonly id: number;
      readonly bound: Address | null;
      readonly failure: Failure | null;
    }
  | { readonly kind: 'open'; readonly client: Address; readonly upstream: Address }
  | { readonly kind: 'records'; readonly fields: readonly Field[] }
  | { readonly kind: 'error'; readonly failure: Failure }
  /** The upstream's name is to be looked up. */
  | { readonly kind: 'resolve' }
  | { readonly kind: 'drained' };

/** An error, in a form that keeps its code from thread to thread. */
export interface Failure {
  readonly message: string;
  readonly code: string | undefined;
}

export const toFailure = (error: unknown): Failure => {
  const { message, code } = error as NodeJS.ErrnoException;
  return { message, code };
};
export const toError = ({ message, code }: Failure): Error => Object.assign(new Error(message), { code });

/** What the data path's thread is started with. */
export interface Start {
  readonly policy: Policy;
  readonly cells: SharedArrayBuffer;
  readonly isOpenTold: boolean;
  /** A connection may get one of these at its own end. */
  readonly ephemeralPorts: { readonly first: number; readonly last: number };
}

/** A record as a row of plain values: of many at once, that is a third of the work of as many objects. */
type Field = string | number | boolean | null;
const FIELDS = 14;
const REASON_NAMES = Object.keys(REASONS) as Reason[];

export const pushRecord = (fields: Field[], record: ConnectionRecord): void => {
  const { client, upstream } = record;
  fields.push(client.host, client.port, upstream?.host ?? null, upstream?.port ?? 0);
  fields.push(record.isConnected, REASON_NAMES.indexOf(record.reason), record.code, record.tries);
  fields.push(record.bytesToUpstream, record.bytesToClient, record.holdMs, record.connectMs);
  fields.push(record.totalMs, record.active);
};

export const readRecords = (fields: readonly Field[]): ConnectionRecord[] =>
  Array.from({ length: fields.length / FIELDS }, (_, row) => readRecord(fields, row * FIELDS));

const readRecord = (fields: readonly Field[], at: number): ConnectionRecord => {
  const number = (field: number): number => fields[at + field] as number;
  const upstreamHost = fields[at + 2] as string | null;
  return {
    client: { host: fields[at] as string, port: number(1) },
    upstream: upstreamHost === null ? null : { host: upstreamHost, port: number(3) },
    isConnected: fields[at + 4] as boolean,
    reason: REASON_NAMES[number(5)] ?? 'done',
    code: fields[at + 6] as string | null,
    tries: number(7),
    bytesToUpstream: number(8),
    bytesToClient: number(9),
    holdMs: number(10),
    connectMs: number(11),
    totalMs: number(12),
    active: number(13),
  };
};
