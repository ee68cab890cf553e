import type { Address } from '../lib/address.ts';
import type { CloseReason } from '../lib/close-reason.ts';
import type { CheckAnnouncement, CheckSource } from './announced-checks.ts';
import type { EngineCounts } from './report.ts';

/** Moves the bytes of one port. test/integration/proxy/conformance/ defines what each engine must do. */
export interface Engine {
  readonly name: 'portable' | 'kernel';
  /** The reason for the choice of this engine, in words. */
  readonly reason?: string;
  /**
   * Listens on the address; port 0 means any free port. Rejects with the system's error (EADDRINUSE, …).
   * @returns the address that was bound
   */
  listen(address: Address): Promise<Address>;
  /** Stops listening on the address; open connections go on. Resolves when the address can be bound again. */
  unlisten(address: Address): Promise<void>;
  /** Takes this host's own addresses, whenever they may have changed. Until the first call only loopback counts as own. */
  setLocalAddresses(addresses: readonly string[]): void;
  /** Announces a check, as `expect_check` of the control socket does. */
  expectCheck(check: CheckAnnouncement): void;
  /** Takes the announcement of a check back, as `retract_check` of the control socket does. */
  retractCheck(source: CheckSource): void;
  counts(): EngineCounts;
  /** The state of the thread that moves the bytes; `unknown` where the caller runs on that very thread. */
  dataPath(): 'ok' | 'stuck' | 'unknown';
  /**
   * Stops listening for good, gives open connections `limitMs` to finish (0: no time), then resets the rest. A `listen` from now
   * on rejects.
   */
  drain(limitMs: number): Promise<void>;
}

/** The limits of one port. Durations are milliseconds; 0 means "never", except for `holdMs`, where it means "do not hold". */
export interface Policy {
  readonly upstream: Address;
  readonly allow: readonly string[];
  readonly holdMs: number;
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly halfCloseTimeoutMs: number;
  /** The limit of open files may allow fewer; 0 means as many as that limit allows. */
  readonly maxConnections: number;
  /** The maximum number of clients that wait, for the upstream or for a slot; one more is refused. */
  readonly maxHeld: number;
}

export interface EngineHooks {
  /** Called for every connection when it reaches the upstream, but not for checks. Default: nothing is called. */
  readonly onOpen?: (client: Address, upstream: Address) => void;
  /** Called once for every finished connection, but not for checks. */
  onEnd(record: ConnectionRecord): void;
  /** Called when an accept fails; the listener goes on. */
  onError(error: Error): void;
  /** Called when the engine has failed. Every connection is gone with it, and it cannot be used any more. */
  onDeath(cause: Error): void;
}

export interface ConnectionRecord {
  readonly client: Address;
  /** The address that answered, else the one that was dialled last; null when none was dialled. */
  readonly upstream: Address | null;
  readonly isConnected: boolean;
  readonly reason: CloseReason;
  /** The system's error code behind the reason. */
  readonly code: string | null;
  readonly tries: number;
  readonly bytesToUpstream: number;
  readonly bytesToClient: number;
  /** From accept to the last try at an address. */
  readonly holdMs: number;
  /** The duration of that try. */
  readonly connectMs: number;
  readonly totalMs: number;
  /** Connections still open when this one ended. */
  readonly active: number;
}

/** Rejects, with the reason, where the engine is not available. */
export type CreateEngine = (policy: Policy, hooks: EngineHooks) => Promise<Engine>;

/** One client of an engine, from accept to its record. */
export interface Connection {
  /** True when the client's connection is one of the proxy's own: the proxy dialled itself. */
  isLoop(): boolean;
  /** Dials the upstream. Until then the client waits, and its first bytes stay in the socket's own buffer. */
  serve(): void;
  /** Resets both sides. */
  abort(reason: CloseReason): void;
  /** The bytes that were passed on so far. */
  bytes(): { readonly toUpstream: number; readonly toClient: number };
}
