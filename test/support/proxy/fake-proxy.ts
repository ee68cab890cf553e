import { once } from 'node:events';
import { createServer, type Socket } from 'node:net';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import type { TestContext } from 'node:test';
import type { Handlers, ProxyProtocol } from '../../../src/ipc/protocol.ts';
import { serveControl } from '../../../src/ipc/server.ts';
import { createStatsCollector } from '../../../src/proxy/connection-stats.ts';
import type { Binding, ProxyReport } from '../../../src/proxy/report.ts';
import { tempFolder } from '../temp-dir.ts';

export interface FakeProxy {
  readonly socket: string;
  /** The methods that were called on its control socket, in order. */
  readonly asked: string[];
  /** Changes its report from now on. */
  announce(change: Partial<ProxyReport>): void;
  /** Announces its shutdown, and goes on answering. */
  announceShutdown(): void;
  /** Ends it: 'announced' announces its shutdown first, 'unexpected' does not. */
  end(how: 'announced' | 'unexpected'): Promise<void>;
  /** Serves its control socket after its end again, as the same process. */
  serveAgain(): Promise<void>;
}

/** The report of a proxy that has served no client yet. */
export const FIRST_REPORT: ProxyReport = {
  pid: process.pid,
  startedAt: 1_000,
  engine: 'portable',
  engineReason: null,
  dataPath: 'unknown',
  bindings: [],
  connections: {
    ...createStatsCollector().read(),
    active: 0,
    total: 0,
    waitingForUpstream: 0,
    waitingForSlot: 0,
    maxConnections: 9,
    bytesToUpstream: 0,
    bytesToClient: 0,
    connectFailures: {},
  },
  cpuMs: 0,
};

/** Serves the control socket of a proxy whose report the test chooses. */
export const fakeProxy = async (t: TestContext, change: Partial<ProxyReport> = {}): Promise<FakeProxy> => {
  const socket = join(tempFolder(), 'control.sock');
  const asked: string[] = [];
  let report: ProxyReport = { ...FIRST_REPORT, ...change };
  const recorded = (name: string) => () => {
    asked.push(name);
    return null;
  };
  const handlers: Handlers<ProxyProtocol> = {
    report: () => {
      asked.push('report');
      return report;
    },
    identify: () => ({ pid: process.pid, supervisor: null }),
    pulse: recorded('pulse'),
    leave: recorded('leave'),
    leave_orphan: () => false,
    listen_again: recorded('listen_again'),
    expect_check: recorded('expect_check'),
    retract_check: recorded('retract_check'),
  };
  let control = await serveControl<ProxyProtocol>(socket, handlers);
  t.after(() => control.close());
  return {
    socket,
    asked,
    announce: (next) => {
      report = { ...report, ...next };
    },
    announceShutdown: () => control.announce('leaving'),
    end: async (how) => {
      if (how === 'announced') control.announce('leaving');
      await control.close(how === 'announced' ? report : undefined);
    },
    serveAgain: async () => {
      control = await serveControl<ProxyProtocol>(socket, handlers);
    },
  };
};

export const bindingAt = (port: number, state: Binding['state'] = 'bound', host = '127.0.0.1'): Binding => ({
  address: `${host}:${port}`,
  host,
  port,
  state,
  code: null,
  portOwner: null,
});

/** Serves a control socket that answers the first `answers` requests and then none. @returns its path */
export const muteProxy = async (t: TestContext, answers: number): Promise<string> => {
  const path = join(tempFolder(), 'control.sock');
  const sockets = new Set<Socket>();
  let left = answers;
  const server = createServer((socket) => {
    sockets.add(socket);
    createInterface({ input: socket }).on('line', (line) => {
      left -= 1;
      const { id } = JSON.parse(line) as { id: number };
      if (left >= 0) socket.write(`${JSON.stringify({ id, reply: {} })}\n`);
    });
  });
  await once(server.listen(path), 'listening');
  t.after(() => {
    server.close();
    for (const socket of sockets) socket.destroy();
  });
  return path;
};
