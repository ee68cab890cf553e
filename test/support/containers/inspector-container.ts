import { join as path } from 'node:path';
import { peerPath } from '../requirements.ts';
import { until } from '../until.ts';
import { createHost, type Host, join, type Program } from './network-namespace.ts';

export const INSPECTOR = '@modelcontextprotocol/inspector';
export const EVERYTHING = '@modelcontextprotocol/server-everything';
/** The Inspector's web UI, and its MCP proxy. */
const PORTS = [6274, 6277] as const;

/** A container with server-everything in it; the Inspector and the two proxies are started by the test. */
export interface Container {
  /** Where a browser outside finds the UI once the proxies run. */
  readonly origins: { readonly ipv4: string; readonly ipv6: string };
  /** @param address where both parts of the Inspector listen: "127.0.0.1" or "::1" */
  startInspector(address: string): Program;
  /** Resolves when both of the Inspector's ports accept in the container. */
  inspectorListens(address: string): Promise<void>;
  /** Two `steadyport proxy` in the foreground; resolves when both accept from outside. */
  startProxies(listen: (port: number) => string): Promise<void>;
  /** Whether any of the two ports accepts from outside. */
  reachable(): boolean;
  /** The last output of every program in the container. */
  output(): string;
  remove(): void;
}

/**
 * @param token MCP_PROXY_AUTH_TOKEN of the Inspector
 * @param home STEADYPORT_HOME of the two proxies
 */
export const createContainer = (outside: Host, subnet: number, token: string, home: string): Container => {
  const host = createHost('in');
  const { ipv4, ipv6 } = join(host, outside, subnet);
  const origins = { ipv4: `http://${ipv4}:6274`, ipv6: `http://[${ipv6}]:6274` };
  const programs: Program[] = [];
  const node = (script: string, args: readonly string[], env: Readonly<Record<string, string>>): Program => {
    const program = host.start(process.execPath, [script, ...args], env);
    programs.push(program);
    return program;
  };
  const accepts = (from: Host, address: string) => (port: number) => from.connects(address, port);

  node(peerPath(EVERYTHING, 'dist/index.js'), ['streamableHttp'], { PORT: '3001' });
  node(peerPath(EVERYTHING, 'dist/index.js'), ['sse'], { PORT: '3002' });
  return {
    origins,
    startInspector: (address) =>
      node(peerPath(INSPECTOR, 'cli/build/cli.js'), [], {
        HOST: address,
        MCP_AUTO_OPEN_ENABLED: 'false',
        MCP_PROXY_AUTH_TOKEN: token,
        ALLOWED_ORIGINS: Object.values(origins).join(),
      }),
    inspectorListens: async (address) => {
      await until(() => PORTS.every(accepts(host, address)), 'the Inspector listens');
    },
    startProxies: async (listen) => {
      for (const port of PORTS) {
        // The Inspector starts in 3 s, within the default hold of 10 s. A busy machine needs longer.
        const args = ['proxy', listen(port), 'localhost', `${port}`, '--hold-ms', '30000'];
        node('dist/cli.js', args, { STEADYPORT_HOME: path(home, `${port}`) });
      }
      await until(() => PORTS.every(accepts(outside, ipv4)), 'both proxies accept from outside');
    },
    reachable: () => PORTS.some(accepts(outside, ipv4)) || PORTS.some(accepts(outside, ipv6)),
    output: () => programs.map((program) => program.output()).join('\n--- next program ---\n'),
    remove: host.remove,
  };
};
