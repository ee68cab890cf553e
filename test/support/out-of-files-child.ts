import { closeSync, openSync } from 'node:fs';
import { createServer, type Server } from 'node:net';
import { join } from 'node:path';
import { createHeartbeat } from '../../src/ipc/heartbeat.ts';
import { isUpstreamListening } from '../../src/monitor/probes/listen.ts';
import { probeUpstream, runProbe } from '../../src/monitor/probes/run-probe.ts';
import { createPm2 } from '../../src/pm2/client.ts';
import { createFileReserve } from '../../src/system/file-reserve.ts';
import { findListeners } from '../../src/system/proc/socket-table.ts';

// A process under a low `ulimit -n` that opens all the files it may, and then looks at what is well. It prints what it finds as
// JSON. Argument: an empty folder.

const [folder = ''] = process.argv.slice(2);
const TIMEOUT_MS = 60_000;

const listen = (options: { path: string } | { port: number; host: string }): Promise<Server> =>
  new Promise((resolve) => {
    const server: Server = createServer((socket) => socket.on('error', () => {})).listen(options, () =>
      resolve(server),
    );
  });

const openAll = (): number[] => {
  const opened: number[] = [];
  try {
    for (;;) opened.push(openSync('/dev/null', 'r'));
  } catch {
    return opened;
  }
};

const server = await listen({ port: 0, host: '127.0.0.1' });
const address = { host: '127.0.0.1', port: (server.address() as { port: number }).port };
await listen({ path: join(folder, 'control.sock') });
await listen({ path: join(folder, 'rpc.sock') });
const monitorErrors: unknown[] = [];
const heartbeat = createHeartbeat(
  join(folder, 'control.sock'),
  () => {},
  () => {},
  () => {},
  (error) => monitorErrors.push(error),
);
const pm2 = createPm2(folder);
const probe = { type: 'tcp' } as const;
const reserve = createFileReserve();
const noReserve = createFileReserve(0);

const opened = openAll();
const phaseOf = (result: Awaited<ReturnType<typeof runProbe>>): string => (result.ok ? 'ok' : result.phase);
const without = {
  listeners: findListeners(address.port)?.length ?? null,
  upstream: isUpstreamListening(address, []) ?? null,
  probe: phaseOf(await runProbe(address, address, probe, TIMEOUT_MS)),
  direct: phaseOf(await probeUpstream(address, probe, [], TIMEOUT_MS)),
  heartbeat: (await heartbeat.beat(TIMEOUT_MS)).state,
  monitorErrors: monitorErrors.length,
  pm2: await pm2.list(),
  supply: noReserve.check(),
};
const supply = reserve.check();
const withReserve = { supply, listeners: findListeners(address.port)?.length ?? null };
for (const fd of opened) closeSync(fd);
process.stdout.write(JSON.stringify({ without, withReserve, afterwards: reserve.check() }), () =>
  process.exit(0),
);
