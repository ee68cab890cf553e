import { Gauge, Registry } from 'prom-client';
import type { Snapshot } from './core/status.ts';

/** Every Prometheus metric is declared here; the values are those of the status. */
export const createMetrics = (): {
  readonly contentType: string;
  render(snapshot: Snapshot): Promise<string>;
} => {
  const registry = new Registry();
  const gauge = <L extends string>(name: string, help: string, labelNames: readonly L[]): Gauge<L> =>
    new Gauge({ name: `steadyport_${name}`, help, labelNames, registers: [registry] });
  const build = gauge('build_info', 'The version that runs; always 1.', ['version']);
  const up = gauge('up', '1 when the proxy serves its port and its upstream answers.', ['proxy']);
  const active = gauge('connections_active', 'Connections open now.', ['proxy']);
  const failures = gauge('consecutive_failures', 'Failed looks in a row.', ['proxy']);
  return {
    contentType: registry.contentType,
    render: ({ monitor, proxies }) => {
      registry.resetMetrics();
      if (monitor) build.set({ version: monitor.version }, 1);
      for (const { name: proxy, state, connections, failures: failed } of proxies) {
        up.set({ proxy }, state === 'up' || state === 'not_needed' ? 1 : 0);
        active.set({ proxy }, connections.active);
        failures.set({ proxy }, failed.consecutive);
      }
      return registry.metrics();
    },
  };
};
