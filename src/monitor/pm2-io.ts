// The parts of @pm2/io that talk to the PM2 daemon, and none of those that collect something by themselves: its index
// begins with metrics of V8, of HTTP and of the event loop, and sends the list of dependencies.
import { ServiceManager } from '@pm2/io/build/main/serviceManager.js';
import { ActionService } from '@pm2/io/build/main/services/actions.js';
import { MetricService } from '@pm2/io/build/main/services/metrics.js';
import { IPCTransport } from '@pm2/io/build/main/transports/IPCTransport.js';
import { type Actions, createActions, metricsOf } from './pm2-actions.ts';

/**
 * Shows each port's figures in `pm2 describe` and `pm2 monit`, and takes the orders of `pm2 trigger`. Nothing where this
 * process is not PM2's. To be called once.
 */
export const servePm2Tools = (actions: Actions): void => {
  if (!process.send) return;
  surviveDaemon();
  const transport = new IPCTransport();
  transport.init();
  ServiceManager.set('transport', transport);
  const metricService = new MetricService();
  const metricChanges = createMetricChanges(actions);
  for (const name of metricChanges.names())
    metricService.metric({ name, value: () => metricChanges.changedValue(name) as number });
  metricService.init();
  const actionService = new ActionService();
  actionService.init();
  for (const [name, action] of Object.entries(createActions(actions)))
    actionService.registerAction(name, async (argument: unknown, reply: (text: string) => void) =>
      reply(await action(typeof argument === 'string' ? argument : '')),
    );
};

/**
 * The IPC channel ends with the daemon, and @pm2/io ends the process when it then has something to send
 * (transports/IPCTransport.js). A write that was under way fails.
 */
const surviveDaemon = (): void => {
  process.on('disconnect', () => {
    delete process.send;
  });
  process.on('error', () => {});
};

/**
 * PM2 keeps what it was told: only what has changed is sent, and nothing while it does not answer, or all of it would pile
 * up here. Not a number is what has no value.
 */
const createMetricChanges = ({ status }: Actions) => {
  const sentValues = new Map<string, string | number>();
  let metrics: Readonly<Record<string, string | number | null>> = {};
  let isPm2Reachable = true;
  const refresh = (): void => {
    const { monitor, proxies } = status();
    isPm2Reachable = monitor?.pm2Problem === null;
    metrics = Object.assign({}, ...proxies.map(metricsOf));
  };
  refresh();
  const names = Object.keys(metrics);
  return {
    names: () => names,
    changedValue: (name: string): string | number | undefined => {
      // @pm2/io asks for all of them in a row, each second: one status is enough.
      if (name === names[0]) refresh();
      const value = metrics[name];
      if (!isPm2Reachable || value === null || value === undefined || sentValues.get(name) === value)
        return undefined;
      sentValues.set(name, value);
      return value;
    },
  };
};
