import type { Address } from '../lib/address.ts';
import type { CloseReason } from '../lib/close-reason.ts';
import type { EngineCounts } from './connection-stats.ts';

/** Moves the bytes of one port. What an engine must do is the conformance suite's, under test/proxy. */
export interface Engine {
  readonly name: 'portable' | 'kernel';
  /** Why this engine and not the other, in words. */
  readonly reason?: string;
  /** The address that was bound (port 0: any free one). Rejects with the system's error (EADDRINUSE, …). */
  listen(address: Address): Promise<Address>;
  /** Stops listening on the address; open connections go on. */
  unlisten(address: Address): Promise<void>;
  /** This host's own addresses, whenever they may have changed; until then it has none but those of loopback. */
  setLocalAddresses(addresses: readonly string[]): void;
  /** See `expect_check` of the control socket. */
  expectCheck(localPort: number, forward: boolean): void;
  counts(): EngineCounts;
  /** Whether the thread that moves the bytes lives; `unknown` where it is the one that asks. */
  dataPath(): 'ok' | 'stuck' | 'unknown';
  /** Stops listening, lets what is open finish for `limitMs` (0: at once), then resets the rest. */
  drain(limitMs: number): Promise<void>;
}

/** The limits of one port; milliseconds, 0 meaning "never" but for `holdMs`, where it means "do not hold". */
export interface Policy {
  readonly upstream: Address;
  readonly allow: readonly string[];
  readonly holdMs: number;
  readonly connectTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly halfCloseTimeoutMs: number;
  /** At most what the limit of open files allows; 0: just that. */
  readonly maxConnections: number;
  /** At most so many clients wait, for the upstream or for a place; one more is refused. */
  readonly maxHeld: number;
}

export interface EngineHooks {
  /** Every connection to the upstream, when it is there; checks excepted. Left out where nobody wants to know. */
  readonly onOpen?: (client: Address, upstream: Address) => void;
  /** Every finished connection, once; checks excepted. */
  onEnd(record: ConnectionRecord): void;
  /** An accept failed; the listener goes on. */
  onError(error: Error): void;
  /** The engine is gone, and every connection with it; it cannot be used any more. */
  onDeath(cause: Error): void;
}

export interface ConnectionRecord {
  readonly client: Address;
  /** The address that answered, or was dialled last; null when none was. */
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
  /** What that try took. */
  readonly connectMs: number;
  readonly totalMs: number;
  /** Connections still open when this one ended. */
  readonly active: number;
}

/** Rejects, with the reason, when the engine cannot be had here. */
export type CreateEngine = (policy: Policy, hooks: EngineHooks) => Promise<Engine>;
