import { contextSwitches } from '../lib/proc.js';
import { loaded, startForwarder, startHttp } from '../lib/processes.js';
import { wrk, wrkFigures, wrkRows } from '../load/wrk.js';

/** Requests on connections that stay, or, with `header`, each on a new one. */
const http = ({ key, one, many, header }) => ({
  key,
  tools: ['wrk', 'nginx'],
  rows: [
    ...wrkRows(one, many),
    { field: 'switches', title: `context switches, 1,000 ${many}`, unit: '', isAlone: true },
  ],
  run: async (place) => {
    const forwarder = await startForwarder(await startHttp(place), place);
    const result = await loaded(forwarder, place.sizes, async (share) => {
      const before = contextSwitches(forwarder);
      const figures = await wrk(forwarder.port, place.sizes.seconds * share, header);
      return { ...figures, switches: contextSwitches(forwarder) - before };
    });
    const switches = (result.switches * 1_000) / result.requests;
    return { ...wrkFigures(result), switches: place.forwarder.role === 'other' ? undefined : switches };
  },
});

export const requests = http({ key: 'requests', one: 'request', many: 'requests' });

export const connections = http({
  key: 'connections',
  one: 'new connection',
  many: 'new connections',
  header: 'Connection: close',
});
