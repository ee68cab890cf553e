/**
 * The room proxy/kernel/thread: the thread of the data path, and the typed protocol between it and the main thread. This
 * file is the protocol; host.ts is the end on the main thread, worker.ts the other end.
 */

import type { Address } from '../../../lib/address.ts';
import { CLOSE_REASONS, type CloseReason } from '../../../lib/close-reason.ts';
import type { ResolveResult } from '../../../system/dns.ts';
import type { CheckAnnouncement, CheckSource } from '../../announced-checks.ts';
import type { ConnectionRecord, Policy } from '../../engine.ts';

/**
 * A message from the main thread to the data path. The data path reads its commands when its eventfd wakes it, before the
 * events of the same turn. {@link ThreadEvent} is the other direction, and both see the counters of shared-counters.ts.
 */
export type Command =
  | { readonly kind: 'listen' | 'unlisten'; readonly id: number; readonly address: Address }
  | { readonly kind: 'local'; readonly addresses: readonly string[] }
  | { readonly kind: 'expect_check'; readonly check: CheckAnnouncement }
  | { readonly kind: 'retract_check'; readonly source: CheckSource }
  | { readonly kind: 'resolved'; readonly resolved: ResolveResult }
  | { readonly kind: 'drain'; readonly limitMs: number };

/** A message from the data path to the main thread. */
export type ThreadEvent =
  /** The thread runs; `wakeFd` is its eventfd. */
  | { readonly kind: 'ready'; readonly wakeFd: number }
  /** The answer to the `listen` or `unlisten` with the same id. */
  | {
      readonly kind: 'done';
      readonly id: number;
      readonly bound: Address | null;
      readonly failure: Failure | null;
    }
  | { readonly kind: 'open'; readonly client: Address; readonly upstream: Address }
  | { readonly kind: 'records'; readonly fields: readonly RecordField[] }
  | { readonly kind: 'error'; readonly failure: Failure }
  /** Asks for a lookup of the upstream's name, which a `resolved` command answers. */
  | { readonly kind: 'resolve' }
  /** A line for the debug log of dials: a format and its values (util.format). */
  | { readonly kind: 'dial'; readonly message: string; readonly values: readonly (string | number)[] }
  | { readonly kind: 'drained' };

/** An error as plain data: structured cloning would drop its code. */
export interface Failure {
  readonly message: string;
  readonly code: string | undefined;
}

export const toFailure = (error: unknown): Failure => {
  const { message, code } = error as NodeJS.ErrnoException;
  return { message, code };
};
export const toError = ({ message, code }: Failure): Error => Object.assign(new Error(message), { code });

/** The options with which the thread of the data path starts. */
export interface ThreadOptions {
  readonly policy: Policy;
  readonly counters: SharedArrayBuffer;
  readonly shouldReportOpen: boolean;
  /** The debug log of dials is on. */
  readonly shouldLogDials: boolean;
  /** The ports that the system may give to the dialing side of a connection, both included. */
  readonly ephemeralPorts: { readonly first: number; readonly last: number };
}

/** A record is sent as a row of plain values: for many records that costs a third of the work of as many objects. */
type RecordField = string | number | boolean | null;
const FIELDS_PER_RECORD = 14;
const REASON_NAMES = Object.keys(CLOSE_REASONS) as CloseReason[];

/** Appends the FIELDS_PER_RECORD values of a record. */
export const pushRecord = (fields: RecordField[], record: ConnectionRecord): void => {
  const { client, upstream } = record;
  fields.push(client.host, client.port, upstream?.host ?? null, upstream?.port ?? 0);
  fields.push(record.isConnected, REASON_NAMES.indexOf(record.reason), record.code, record.tries);
  fields.push(record.bytesToUpstream, record.bytesToClient, record.holdMs, record.connectMs);
  fields.push(record.totalMs, record.active);
};

/** The records that {@link pushRecord} has written. */
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
