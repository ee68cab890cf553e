/**
 * The room ipc: the control sockets, over which the commands, the monitor and the proxies talk to each other. It holds the
 * protocol, its client and its server, and the heartbeat that the monitor asks of each proxy.
 *
 * The protocol is one JSON object a line over a unix socket in STEADYPORT_HOME. `{"id":1,"ask":"report"}` is answered by
 * `{"id":1,"reply":{…}}` or by `{"id":1,"error":"…"}`. A proxy announces its shutdown with `{"event":"leaving"}`, so
 * that an end of the stream without it is a crash. It sends its last report, `{"event":"last","report":{…}}`, when it has
 * finished.
 */

import type { CheckAnnouncement, CheckSource } from '../proxy/announced-checks.ts';
import type { ProxyReport } from '../proxy/report.ts';
import type { EvidenceByProxy } from '../status/evidence.ts';
import type { Snapshot } from '../status/snapshot.ts';

/** The asks that a proxy answers. */
export interface ProxyProtocol extends OrphanProtocol {
  /** The heartbeat: how the proxy is, from its own point of view. */
  report: { ask: null; reply: ProxyReport };
  /** A heartbeat without a report: only that an answer comes matters. */
  pulse: { ask: null; reply: null };
  /**
   * Asks the proxy to shut down, because a successor needs its port. It replies false, and stays, while a PM2 daemon supervises
   * it: that daemon would start it anew, and the two would take the port from each other without an end. A successor under the
   * same number in the list of the same daemon shows that this daemon has lost it (docs/decisions.md: ADR-0049). Proxies of
   * earlier versions always shut down, and reply null.
   */
  leave: { ask: { successor: Supervisor | null } | null; reply: boolean | null };
  /** Asks the proxy to close its listening sockets and to open them anew. */
  listen_again: { ask: null; reply: null };
  /**
   * Announces that the next connection from `localHost` and `localPort` is a check. It is neither logged nor counted, and it is
   * closed at once unless `forward` is true. A proxy of an earlier version does not read `localHost`.
   */
  expect_check: { ask: CheckAnnouncement; reply: null };
  /** Takes an announcement back: the check could not connect. Proxies of earlier versions do not know this ask. */
  retract_check: { ask: CheckSource; reply: null };
}

/** The asks that the monitor answers. */
export interface MonitorProtocol extends OrphanProtocol {
  status: { ask: null; reply: Snapshot };
  /**
   * Asks for the evidence of each proxy's last check. A monitor that does not know this ask answers with an error
   * (`ENOSYS` at the client).
   */
  evidence: { ask: null; reply: EvidenceByProxy };
}

/** The PM2 daemon that supervises a process. */
export interface Supervisor {
  readonly pid: number;
  /** Its PM2_HOME. */
  readonly home: string;
  /** The process's number in PM2's list, which no other process has there. Processes of earlier versions do not tell it. */
  readonly appId?: string | undefined;
}

export interface Identity {
  readonly pid: number;
  /** Null for a process that was started by hand, or has outlived its daemon. */
  readonly supervisor: Supervisor | null;
}

/** The asks that the monitor and the proxies both answer. */
export interface OrphanProtocol {
  /** Asks who answers. Processes of earlier versions do not know this ask. */
  identify: { ask: null; reply: Identity };
  /**
   * Asks the process to exit if PM2 started it for this config and PM2's daemon has gone since. The reply is true when
   * that is so.
   */
  leave_orphan: { ask: null; reply: boolean };
}

export type Protocol<P> = { [A in keyof P]: { ask: unknown; reply: unknown } };

export type Handlers<P extends Protocol<P>> = {
  readonly [A in keyof P]: (ask: P[A]['ask']) => P[A]['reply'];
};

/** The beginning of the error that answers an ask which the other end does not know. */
export const UNKNOWN_ASK = 'unknown ask';
