import type { ProxyReport } from '../proxy/report.ts';
import type { Snapshot } from '../status/snapshot.ts';

/**
 * The protocol of the control sockets: one JSON object a line over a unix socket in STEADYPORT_HOME.
 * `{"id":1,"ask":"report"}` is answered by `{"id":1,"reply":{…}}` or `{"id":1,"error":"…"}`; a proxy that
 * leaves on purpose says `{"event":"leaving"}` first, so that an end of the stream without it is a crash, and
 * `{"event":"last","report":{…}}` when it has finished.
 */
export interface ProxyProtocol extends OrphanProtocol {
  /** The heartbeat: how the proxy is, from its own point of view. */
  report: { ask: null; reply: ProxyReport };
  /** Are you there: the answer is all that is asked for. */
  pulse: { ask: null; reply: null };
  /** A successor wants the port: finish and leave. */
  leave: { ask: null; reply: null };
  /** Close the listening sockets and open them anew. */
  listen_again: { ask: null; reply: null };
  /** The next connection from `localPort` is a check: neither logged nor counted, closed at once unless `forward`. */
  expect_check: { ask: { localPort: number; forward: boolean }; reply: null };
}

export interface MonitorProtocol extends OrphanProtocol {
  status: { ask: null; reply: Snapshot };
}

/** What the monitor and the proxies answer alike. */
export interface OrphanProtocol {
  /** Leave, if PM2 started you for this config and its daemon has gone since; answers whether that is so. */
  leave_orphan: { ask: { configPath: string }; reply: boolean };
}

export type Protocol<P> = { [A in keyof P]: { ask: unknown; reply: unknown } };

export type Handlers<P extends Protocol<P>> = {
  readonly [A in keyof P]: (ask: P[A]['ask']) => P[A]['reply'];
};
