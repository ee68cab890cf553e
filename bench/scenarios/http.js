import { contextSwitches } from '../lib/proc.js';
import { loaded, startForwarder, startHttp } from '../lib/processes.js';
import { wrk, wrkFigures, wrkRows } from '../load/wrk.js';

/** Measures requests on connections that stay, or, with `header`, each on a new connection. */
const http = ({ key, singular, plural, header }) => ({
  key,
  tools: ['wrk', 'nginx'],
  rows: [
    ...wrkRows(singular, plural),
    { field: 'switches', title: `context switches, 1,000 ${plural}`, unit: '', isUncompared: true },
  ],
  run: async (context) => {
    const forwarder = await startForwarder(await startHttp(context), context);
    const result = await loaded(forwarder, context.sizes, async (share) => {
      const before = contextSwitches(forwarder);
      const figures = await wrk(forwarder.port, context.sizes.seconds * share, header);
      return { ...figures, switches: contextSwitches(forwarder) - before };
    });
    const switches = (result.switches * 1_000) / result.requests;
    return { ...wrkFigures(result), switches: context.forwarder.role === 'other' ? undefined : switches };
  },
});

export const requests = http({ key: 'requests', singular: 'request', plural: 'requests' });

export const connections = http({
  key: 'connections',
  singular: 'new connection',
  plural: 'new connections',
  header: 'Connection: close',
});
