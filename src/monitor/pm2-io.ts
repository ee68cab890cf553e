// The parts of @pm2/io that talk to the PM2 daemon, and none of those that collect something by themselves: its index
// begins with metrics of V8, of HTTP and of the event loop, and sends the list of dependencies.
import { ServiceManager } from '@pm2/io/build/main/serviceManager.js';
import { ActionService } from '@pm2/io/build/main/services/actions.js';
import { MetricService } from '@pm2/io/build/main/services/metrics.js';
import { IPCTransport } from '@pm2/io/build/main/transports/IPCTransport.js';
import { createOrders, figuresOf, type Orders } from './pm2-actions.ts';

/**
 * Shows each port's figures in `pm2 describe` and `pm2 monit`, and takes the orders of `pm2 trigger`. Nothing where this
 * process is not PM2's. To be called once.
 */
export const serveTools = (orders: Orders): void => {
  if (!process.send) return;
  outliveDaemon();
  const transport = new IPCTransport();
  transport.init();
  ServiceManager.set('transport', transport);
  const metrics = new MetricService();
  const changes = createChanges(orders);
  for (const name of changes.names()) metrics.metric({ name, value: () => changes.take(name) as number });
  metrics.init();
  const actions = new ActionService();
  actions.init();
  for (const [name, run] of Object.entries(createOrders(orders)))
    actions.registerAction(name, async (given: unknown, reply: (text: string) => void) =>
      reply(await run(typeof given === 'string' ? given : '')),
    );
};

/**
 * The IPC channel ends with the daemon, and @pm2/io ends the process when it then has something to send
 * (transports/IPCTransport.js). A write that was under way fails.
 */
const outliveDaemon = (): void => {
  process.on('disconnect', () => {
    delete process.send;
  });
  process.on('error', () => {});
};

/**
 * PM2 keeps what it was told: only what has changed is sent, and nothing while it does not answer, or all of it would pile
 * up here. Not a number is what has no value.
 */
const createChanges = ({ status }: Orders) => {
  const told = new Map<string, string | number>();
  let figures: Readonly<Record<string, string | number | null>> = {};
  let isPm2There = true;
  const look = (): void => {
    const { monitor, proxies } = status();
    isPm2There = monitor?.pm2Problem === null;
    figures = Object.assign({}, ...proxies.map(figuresOf));
  };
  look();
  const names = Object.keys(figures);
  return {
    names: () => names,
    take: (name: string): string | number | undefined => {
      // @pm2/io asks for all of them in a row, each second: one status is enough.
      if (name === names[0]) look();
      const now = figures[name];
      if (!isPm2There || now === null || now === undefined || told.get(name) === now) return undefined;
      told.set(name, now);
      return now;
    },
  };
};
