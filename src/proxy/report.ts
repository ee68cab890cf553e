import * as v from 'valibot';
import { ipFamily } from '../lib/address.ts';
import type { CloseReason } from '../lib/close-reason.ts';
import { histogramSchema } from '../lib/histogram-schema.ts';
import {
  count,
  fields,
  instant,
  listOf,
  oneOf,
  orNull,
  processId,
  recordOf,
  text,
} from '../lib/stored-fields.ts';

export const engineCountsSchema = fields({
  /** Connections that have a slot: being dialled, held, or open. */
  active: count,
  total: count,
  /** Clients that wait for an upstream that refuses connections. */
  waitingForUpstream: count,
  /** Clients that wait for a slot, see `maxConnections`. */
  waitingForSlot: count,
  maxConnections: count,
  bytesToUpstream: count,
  bytesToClient: count,
  /** Failed tries at one address, by the system's error code. */
  connectFailures: recordOf(count, text),
});

/** The counts of one port's engine since the engine was made, without the monitor's checks. */
export type EngineCounts = v.InferOutput<typeof engineCountsSchema>;

export const connectionStatsSchema = fields({
  /** Any text is a valid key: another version may have reasons that this one does not know. */
  byReason: recordOf(count, text as v.GenericSchema<string, CloseReason>),
  /** The time of each try that reached the upstream. */
  connect: histogramSchema,
  /** The time from accept to the end, of every connection. */
  duration: histogramSchema,
});

/** The totals of finished connections. */
export type ConnectionStats = v.InferOutput<typeof connectionStatsSchema>;

const bindingSchema = fields({
  address: text,
  host: text,
  port: count,
  /** `not_needed`: the upstream shares the port and listens on this address itself. */
  state: oneOf(['bound', 'not_needed', 'in_use', 'failed']),
  /** The system's error code; null when the address is bound. */
  code: orNull(text),
  /** The process that holds the address (PortOwner); null when it is free, or when no holder can be found. */
  portOwner: orNull(fields({ pid: orNull(count), command: orNull(text), uid: count })),
});

/** One address that the proxy is configured to listen on. */
export type Binding = v.InferOutput<typeof bindingSchema>;

const refusedClientSchema = fields({
  host: v.pipe(
    text,
    v.check((host) => ipFamily(host) !== 0, 'an IP address'),
  ),
  at: instant,
});

/** A client that was refused. */
export type RefusedClient = v.InferOutput<typeof refusedClientSchema>;

const reportSchema = fields({
  pid: processId,
  /** Milliseconds of the wall clock. */
  startedAt: instant,
  engine: text,
  /** The reason for the choice of this engine, in words. */
  engineReason: orNull(text),
  /** The state of the thread that moves the bytes; `unknown` where that thread makes this report itself. */
  dataPath: oneOf(['ok', 'stuck', 'unknown']),
  bindings: listOf(bindingSchema),
  connections: fields({ ...engineCountsSchema.entries, ...connectionStatsSchema.entries }),
  /** The last client that the allow list refused; null while there is none. Proxies of earlier versions do not report it. */
  lastNotAllowed: v.optional(orNull(refusedClientSchema)),
  /** The PM2 daemon that supervises the proxy; null when there is none. Proxies of earlier versions do not report it. */
  supervisor: v.optional(orNull(fields({ pid: processId, home: text }))),
  /** User and system time of this process since its start, all threads, in milliseconds. */
  cpuMs: count,
});

/** The report of a running proxy on itself. */
export type ProxyReport = v.InferOutput<typeof reportSchema>;

/**
 * True for a report as this version makes it. A proxy that was started by another version may report otherwise; then nothing
 * is known of it but that it answers.
 */
export const isProxyReport = (value: unknown): value is ProxyReport => v.is(reportSchema, value);
