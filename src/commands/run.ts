import type { ParsedArgs } from 'minimist';
import { requireConfig } from '../host/config-file.ts';
import { type ProxyProtocol, serveControl } from '../host/control.ts';
import { makeHome, readInteger, remove, writeAtomic } from '../host/home.ts';
import { createLog } from '../host/log.ts';
import { UsageError } from '../host/usage-error.ts';
import { startForwarder } from '../proxy/forwarder.ts';
import { createPortableEngine } from '../proxy/portable/engine.ts';
import { leaveOnSignal } from './leave.ts';

/** PM2 gives an app 1600 ms after SIGINT unless told otherwise; with no successor there is nothing to wait for. */
const LEAVE_UNDER_PM2_MS = 1_500;

/** `steadyport run tcp-proxy-<port>`: one proxy of the config, with its control socket and pid file. */
export const run = async (args: ParsedArgs): Promise<undefined> => {
  const { config, settings } = requireConfig();
  const proxy = config.proxies.find(({ name }) => name === args._[0]);
  if (!proxy) throw new UsageError(`${settings.configPath} has no proxy "${args._[0]}"`);
  const files = makeHome(settings.home, proxy.port).port(proxy.port);
  const forwarder = await startForwarder(proxy, createPortableEngine, createLog(settings.logFormat));
  const control = await serveControl<ProxyProtocol>(files.socket, {
    report: forwarder.report,
    expect_check: ({ localPort, forward }) => {
      forwarder.engine.expectCheck(localPort, forward);
      return null;
    },
  });
  writeAtomic(files.pid, `${process.pid}\n`);
  leaveOnSignal(async () => {
    control.announce('leaving');
    await forwarder.drain(settings.underPm2 ? Math.min(proxy.drainMs, LEAVE_UNDER_PM2_MS) : proxy.drainMs);
    await control.close();
    if (readInteger(files.pid) === process.pid) remove(files.pid);
  });
  process.send?.('ready');
};
