import type { Address } from '../../../lib/address.ts';
import { CLOSE_REASONS, type CloseReason } from '../../../lib/close-reason.ts';
import type { ResolveResult } from '../../../system/dns.ts';
import type { ConnectionRecord, Policy } from '../../engine.ts';
/**
 * Between the main thread and the data path's: commands one way, reports the other, and counters in memory that both
 * see. The data path reads its commands when its eventfd wakes it, and before any event that came with them.
 */
export type Command =
  | { readonly kind: 'listen' | 'unlisten'; readonly id: number; readonly address: Address }
  | { readonly kind: 'local'; readonly addresses: readonly string[] }
  | { readonly kind: 'check'; readonly localPort: number; readonly forward: boolean }
  | { readonly kind: 'resolved'; readonly resolved: ResolveResult }
  | { readonly kind: 'drain'; readonly limitMs: number };

export type ThreadEvent =
  /** @param wake the eventfd */
  | { readonly kind: 'ready'; readonly wakeFd: number }
  | {
      readonly kind: 'done';
      readonly id: number;
      readonly bound: Address | null;
      readonly failure: Failure | null;
    }
  | { readonly kind: 'open'; readonly client: Address; readonly upstream: Address }
  | { readonly kind: 'records'; readonly fields: readonly RecordField[] }
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
export interface ThreadOptions {
  readonly policy: Policy;
  readonly counters: SharedArrayBuffer;
  readonly shouldReportOpen: boolean;
  /** A connection may get one of these at its own end. */
  readonly ephemeralPorts: { readonly first: number; readonly last: number };
}

/** A record as a row of plain values: of many at once, that is a third of the work of as many objects. */
type RecordField = string | number | boolean | null;
const FIELDS_PER_RECORD = 14;
const REASON_NAMES = Object.keys(CLOSE_REASONS) as CloseReason[];

export const pushRecord = (fields: RecordField[], record: ConnectionRecord): void => {
  const { client, upstream } = record;
  fields.push(client.host, client.port, upstream?.host ?? null, upstream?.port ?? 0);
  fields.push(record.isConnected, REASON_NAMES.indexOf(record.reason), record.code, record.tries);
  fields.push(record.bytesToUpstream, record.bytesToClient, record.holdMs, record.connectMs);
  fields.push(record.totalMs, record.active);
};

export const readRecords = (fields: readonly RecordField[]): ConnectionRecord[] =>
  Array.from({ length: fields.length / FIELDS_PER_RECORD }, (_, row) =>
    readRecord(fields, row * FIELDS_PER_RECORD),
  );

const readRecord = (fields: readonly RecordField[], offset: number): ConnectionRecord => {
  const numberAt = (index: number): number => fields[offset + index] as number;
  const upstreamHost = fields[offset + 2] as string | null;
  return {
    client: { host: fields[offset] as string, port: numberAt(1) },
    upstream: upstreamHost === null ? null : { host: upstreamHost, port: numberAt(3) },
    isConnected: fields[offset + 4] as boolean,
    reason: REASON_NAMES[numberAt(5)] ?? 'done',
    code: fields[offset + 6] as string | null,
    tries: numberAt(7),
    bytesToUpstream: numberAt(8),
    bytesToClient: numberAt(9),
    holdMs: numberAt(10),
    connectMs: numberAt(11),
    totalMs: numberAt(12),
    active: numberAt(13),
  };
};
