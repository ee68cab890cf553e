/** The project of the config beside ecosystem.config.js. */
export const DEFAULT_PROJECT = 'default';

/** The monitor's app of the default project. */
export const MONITOR_APP = 'proxy-monitor';

/**
 * The names of steadyport's PM2 apps: `proxy-monitor` or `proxy-monitor-<project>` for the monitor, and `tcp-proxy-<port>` or
 * `unix-proxy-<file name>` for a proxy.
 * @param project the project's name
 */
export const monitorAppOf = (project: string): string =>
  project === DEFAULT_PROJECT ? MONITOR_APP : `${MONITOR_APP}-${project}`;

/** The title of the monitor's process, for ps and top. PM2 gives each of its apps the same one: "node /…/dist/cli.js". */
export const MONITOR_TITLE = 'steadyport: monitor';

/** The title of a proxy's process. @param id the proxy's id */
export const proxyTitle = (id: string): string => `steadyport: proxy ${id}`;

/** @param id a proxy's id: its port, or the file name of the unix socket that it listens on */
export const proxyAppName = (id: string, isUnixSocket: boolean): string =>
  `${isUnixSocket ? 'unix' : 'tcp'}-proxy-${id}`;

/** The id of the proxy with this app name, as {@link proxyAppName} makes it; undefined for any other name. */
export const proxyIdOf = (app: string): string | undefined => {
  const [, port, socketName] = /^(?:tcp-proxy-(\d+)|unix-proxy-([\w.-]+))$/.exec(app) ?? [];
  return port ?? socketName;
};

/** True for a name that steadyport gives; another program's app may have such a name too. */
export const isSteadyportName = (app: string): boolean =>
  /^proxy-monitor(?:-[a-z0-9][a-z0-9.-]*)?$/.test(app) || proxyIdOf(app) !== undefined;

/**
 * An app's name in the names of PM2's files (lib/Common.js of PM2). PM2 makes "_" a "-", so two apps whose names differ
 * only there share one log.
 */
export const pm2FileName = (app: string): string => app.replace(/[^a-zA-Z0-9.\\-]/g, '-');
