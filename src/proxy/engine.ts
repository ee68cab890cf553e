import type { Address } from '../core/address.ts';
import type { Reason } from '../core/reasons.ts';

/** Moves the bytes of one port. What an engine must do is the conformance suite's, under test/proxy. */
export interface Engine {
  readonly name: 'portable' | 'kernel';
  /** The address that was bound (port 0: any free one). Rejects with the system's error (EADDRINUSE, …). */
  listen(address: Address): Promise<Address>;
  /** Stops listening on the address; open connections go on. */
  unlisten(address: Address): Promise<void>;
  /** See `expect_check` of the control socket. */
  expectCheck(localPort: number, forward: boolean): void;
  counts(): { readonly active: number; readonly total: number; readonly held: number };
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
  /** 0: from the limit of open files, two for each connection. */
  readonly maxConnections: number;
}

export interface EngineHooks {
  /** Every finished connection, once, but for checks. */
  onEnd(record: ConnectionRecord): void;
  /** This host's own addresses. */
  localAddresses(): readonly string[];
}

export interface ConnectionRecord {
  readonly client: Address;
  /** The address that answered; null when none did. */
  readonly upstream: Address | null;
  readonly reason: Reason;
  /** The system's error code behind the reason. */
  readonly code: string | null;
  readonly tries: number;
  readonly bytesToUpstream: number;
  readonly bytesToClient: number;
  readonly dialMs: number;
  readonly totalMs: number;
  /** Connections still open when this one ended. */
  readonly active: number;
}

export type CreateEngine = (policy: Policy, hooks: EngineHooks) => Engine;
