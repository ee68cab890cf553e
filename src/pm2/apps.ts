import type { Config, ProxyConfig } from '../config/config.ts';
import type { Project } from '../config/project/project.ts';

/** The variables of an app's environment that say whose it is. */
export type Owner = Readonly<Record<'STEADYPORT_HOME' | 'STEADYPORT_PROJECT', string>>;

/** The owner whose apps are looked for in PM2's lists. The config tells which of those that knew no projects are its own. */
export interface AppsOwner {
  readonly appEnv: Owner;
  readonly configPath: string;
}

/** One app as PM2 takes it from an ecosystem file; docs/decisions.md: ADR-0015 has the reasons for the settings. */
export interface AppDefinition {
  readonly name: string;
  /** From `cwd`: PM2 takes a script with a space in its path for a command of the shell (verifyConfs in its lib/Common.js). */
  readonly script: string;
  readonly args: readonly string[];
  readonly cwd: string;
  /** It says whose the app is, too. */
  readonly env: Owner & Readonly<Record<string, string>>;
  readonly [setting: string]: unknown;
}

/**
 * The exit code with which an app ends for good, since a next start would find the same: EX_CONFIG of sysexits.h. PM2 then shows
 * it as "waiting restart" without a pid, and starts it only when it is told to (lib/God.js of PM2: handleExit).
 */
export const STOP_EXIT_CODE = 78;

/**
 * The PM2 apps of a config. The monitor comes last, so that it finds the proxies running.
 * @param root the folder of the release (src/release)
 * @param env the environment of every app
 * @param configPath the config file. The monitor looks whether it was edited since, and reads `.env` beside it
 */
export const defineApps = (
  config: Config,
  root: string,
  project: Project,
  env: AppDefinition['env'],
  configPath: string,
): readonly AppDefinition[] => {
  const { namespace, monitorApp } = project;
  return [
    ...config.proxies.map((proxy) => ({ ...defineProxy(proxy, root, env), namespace })),
    {
      ...commonSettings(root, { ...env, STEADYPORT_CONFIG: configPath }),
      namespace,
      name: monitorApp,
      args: ['monitor'],
      kill_timeout: 2_000,
    },
  ];
};

const defineProxy = (proxy: ProxyConfig, root: string, env: AppDefinition['env']): AppDefinition => ({
  ...commonSettings(root, { ...env, ...LOW_MEMORY_ENV }),
  name: proxy.name,
  args: ['run', proxy.name],
  node_args: LOW_MEMORY_OPTIONS,
  kill_timeout: proxy.drainMs + 1_000,
});

/** These keep an idle proxy's memory small (docs/decisions.md: ADR-0013). */
const LOW_MEMORY_ENV = { MALLOC_ARENA_MAX: '1' };
const LOW_MEMORY_OPTIONS = ['--max-semi-space-size=1'];

const commonSettings = (root: string, env: AppDefinition['env']) => ({
  script: 'dist/cli.js',
  cwd: root,
  exec_mode: 'fork',
  // The empty text is a part of every variable's name, so this filters out the caller's whole environment; `true` has no
  // effect.
  filter_env: [''],
  env,
  pmx: false,
  treekill: false,
  disable_source_map_support: true,
  wait_ready: true,
  listen_timeout: 5_000,
  kill_retry_time: 10,
  exp_backoff_restart_delay: 100,
  max_restarts: 1_000_000_000,
  stop_exit_codes: [STOP_EXIT_CODE],
  merge_logs: true,
});
