// Only the parts of @pm2/io are imported that talk to the PM2 daemon. Its index also starts metrics of V8, of HTTP and of the
// event loop, and sends the list of dependencies.
import { ServiceManager } from '@pm2/io/build/main/serviceManager.js';
import { ActionService } from '@pm2/io/build/main/services/actions.js';
import { MetricService } from '@pm2/io/build/main/services/metrics.js';
import { IPCTransport } from '@pm2/io/build/main/transports/IPCTransport.js';
import { createTriggerCommands, type MonitorControls, metricsOf } from './pm2-trigger.ts';

/**
 * Shows the metrics of each port in `pm2 describe` and `pm2 monit`, and serves the actions of `pm2 trigger`. It does nothing
 * where PM2 did not start this process. Call it once.
 */
export const servePm2Tools = (controls: MonitorControls): void => {
  if (!process.send) return;
  surviveDaemon();
  const transport = new IPCTransport();
  transport.init();
  ServiceManager.set('transport', transport);
  const metricService = new MetricService();
  const metricChanges = createMetricChanges(controls);
  for (const name of metricChanges.names())
    metricService.metric({ name, value: () => metricChanges.changedValue(name) as number });
  metricService.init();
  const actionService = new ActionService();
  actionService.init();
  for (const [name, command] of Object.entries(createTriggerCommands(controls)))
    actionService.registerAction(name, async (argument: unknown, reply: (text: string) => void) =>
      reply(await command(typeof argument === 'string' ? argument : '')),
    );
};

/**
 * Keeps this process alive when the PM2 daemon ends. The IPC channel ends with it, and @pm2/io would end the process when it
 * then has something to send (transports/IPCTransport.js). A write that is under way fails with an error event.
 */
const surviveDaemon = (): void => {
  process.on('disconnect', () => {
    delete process.send;
  });
  process.on('error', () => {});
};

/**
 * Gives the metrics that have changed. PM2 keeps each value that it was sent, so the others need not be sent. Nothing is sent
 * while PM2 does not answer, or the messages would pile up here. A metric without a value is left out.
 */
const createMetricChanges = ({ status }: MonitorControls) => {
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
      // @pm2/io asks for all metrics in a row, each second: one status is enough for them.
      if (name === names[0]) refresh();
      const value = metrics[name];
      if (!isPm2Reachable || value === null || value === undefined || sentValues.get(name) === value)
        return undefined;
      sentValues.set(name, value);
      return value;
    },
  };
};
