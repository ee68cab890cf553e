import { existsSync } from 'node:fs';
import { quoteForShell } from '../../lib/command-lines.ts';
import type { Config } from '../config.ts';
import type { LoadedConfig } from '../load.ts';
import type { Settings } from './environment.ts';
import { formatMonitorAddress } from './monitor-address.ts';
import { realPath } from './real-path.ts';
import { type ProjectRecord, readProjectRecord } from './record.ts';

/** Whose a project is, by what it has written down, and who asks for it. Paths are without links, but for `namedPath`. */
export interface RecordFacts {
  readonly project: string;
  /** STEADYPORT_HOME. */
  readonly home: string;
  readonly configPath: string;
  /** The config as its user named it, through links. */
  readonly namedPath: string;
  readonly pm2Home: string;
  /** What the start before this one wrote; undefined when there was none. */
  readonly record: ProjectRecord | undefined;
  /** Of the config of the record: it still exists. */
  readonly isRecordedConfigThere: boolean;
}

/** What is known before a start of a project touches anything. */
export interface ClaimFacts extends RecordFacts {
  /** PM2 has an app of the project, or a process serves one of its sockets. */
  readonly isRunning: boolean;
  /** The apps of this project that the PM2 of the record has; none when that is the PM2 of this start. */
  readonly appsElsewhere: readonly string[];
  /** Whoever has an app's name, or the addresses of a port, of this config. */
  readonly holders: readonly Holder[];
}

/** One that has what this project needs. */
export interface Holder {
  readonly app: string;
  /** "port 6274", "socket app.sock", or the monitor. */
  readonly place: string;
  /** `name`: PM2, which knows an app by its name alone, has one of this name; `address`: it serves an address of the port. */
  readonly by: 'name' | 'address';
  /** Null for an app that is not steadyport's. */
  readonly owner: OtherProject | null;
}

/** Another project of this user. */
export interface OtherProject {
  readonly name: string;
  /** Its STEADYPORT_HOME. */
  readonly home: string;
  /** Without links; null when it has written none down. */
  readonly configPath: string | null;
  /** Its config still exists. */
  readonly isConfigThere: boolean;
}

/** The commands that a refusal names, as they are typed in this place. */
export interface ClaimCommands {
  readonly start: string;
  readonly takeOver: string;
  readonly stop: string;
}

export const readRecordFacts = (
  settings: Pick<Settings, 'home' | 'project' | 'configPath' | 'namedPath' | 'pm2Home'>,
): RecordFacts => {
  const { home, project, configPath, pm2Home } = settings;
  const record = readProjectRecord(project.stateDir);
  return {
    project: project.name,
    home,
    configPath: realPath(configPath),
    namedPath: settings.namedPath(),
    pm2Home: realPath(pm2Home),
    record,
    isRecordedConfigThere: record !== undefined && existsSync(record.configPath),
  };
};

/**
 * What a start writes down that may have the project.
 * @param config with the address of the monitor. One that the config names is none that was chosen: the chosen one is kept
 */
export const nextRecord = (
  { project, configPath, namedPath, pm2Home, record }: RecordFacts,
  monitorAddress: LoadedConfig['monitorAddress'],
  config: Config,
): ProjectRecord => ({
  name: project,
  configPath,
  namedPath,
  pm2Home,
  http: monitorAddress === 'named' ? (record?.http ?? null) : formatMonitorAddress(config),
});

/** `granted`; `moves`: it is, when the apps in the other PM2 are stopped first; otherwise why it is not, and what to do. */
export type Decision =
  | { readonly kind: 'granted' | 'moves' }
  | { readonly kind: 'refused'; readonly reason: string };

/**
 * Decides whether a start may have the project. The config of the record may be taken over when it is this one by another name,
 * when its link has a new target, when it is gone, or when nothing of it runs: then nobody loses anything.
 * @param takeOver the user wants what another config, or another PM2, has of this project
 */
export const decideClaim = (facts: ClaimFacts, takeOver: boolean, commands: ClaimCommands): Decision => {
  const { appsElsewhere, holders } = facts;
  const refusals = [
    ...(!takeOver && isOfAnotherConfig(facts) ? [describeOtherConfig(facts, commands)] : []),
    ...(!takeOver && appsElsewhere.length > 0 ? [describeOtherPm2(facts, commands)] : []),
    ...formerNames(facts).map((owner) => describeFormerName(owner, facts, commands)),
    ...holders
      .filter(({ owner }) => owner === null || !isFormerName(owner, facts))
      .map((holder) => describeHolder(holder, commands)),
  ];
  if (refusals.length > 0) return { kind: 'refused', reason: [...refusals, NOTHING_TOUCHED].join('\n') };
  return { kind: appsElsewhere.length > 0 ? 'moves' : 'granted' };
};

const NOTHING_TOUCHED = 'nothing was touched';

/** True when the project runs by another config, which somebody may still want. */
export const isOfAnotherConfig = ({
  record,
  configPath,
  namedPath,
  isRecordedConfigThere,
  isRunning,
}: RecordFacts & Pick<ClaimFacts, 'isRunning'>): boolean =>
  record !== undefined &&
  record.configPath !== configPath &&
  record.namedPath !== namedPath &&
  isRecordedConfigThere &&
  isRunning;

/** Who has the project, for a project that {@link isOfAnotherConfig}. */
export const describeRunningConfig = ({ project, record, configPath }: RecordFacts): string =>
  `the project ${project} runs by another config, ${record?.configPath}, and not by ${configPath}`;

/** The same, and what to do. */
export const describeOtherConfig = (
  facts: RecordFacts,
  { takeOver }: Pick<ClaimCommands, 'takeOver'>,
): string =>
  `${describeRunningConfig(facts)}; to run this one instead: ${takeOver}; ` +
  `to run both, give this one a name: "project" in it, or STEADYPORT_PROJECT`;

const describeOtherPm2 = (
  { project, record, pm2Home, appsElsewhere }: ClaimFacts,
  { start, stop, takeOver }: ClaimCommands,
): string => {
  const other = record?.pm2Home ?? 'unknown';
  return (
    `the project ${project} runs in the PM2 of ${other} (${appsElsewhere.join(', ')}), and not in that of ${pm2Home}; ` +
    `to go on there: PM2_HOME=${quoteForShell(other)} ${start}; to stop it there: PM2_HOME=${quoteForShell(other)} ${stop}; ` +
    `to move it here, which stops it there first: ${takeOver}`
  );
};

/** True when the owner is, or may be, what this config was called before: by another `project`, or in a folder of another name. */
const isFormerName = (
  { configPath, isConfigThere }: OtherProject,
  facts: Pick<ClaimFacts, 'configPath'>,
): boolean => configPath === facts.configPath || (configPath !== null && !isConfigThere);

/** Each once, whatever number of ports it has. */
const formerNames = (facts: ClaimFacts): readonly OtherProject[] => {
  const owners = facts.holders.flatMap(({ owner }) => (owner && isFormerName(owner, facts) ? [owner] : []));
  return owners.filter(
    (owner, at) => owners.findIndex(({ home, name }) => home === owner.home && name === owner.name) === at,
  );
};

const describeFormerName = (
  owner: OtherProject,
  { project, home, configPath, holders }: ClaimFacts,
  { stop }: ClaimCommands,
): string => {
  const places = holders
    .filter((holder) => holder.owner?.name === owner.name && holder.owner.home === owner.home)
    .map(({ place }) => place)
    .join(', ');
  const what =
    owner.configPath === configPath
      ? `this config, ${configPath}, runs as the project ${owner.name}, and not as ${project}`
      : `the project ${owner.name} runs by a config that is gone, ${owner.configPath}, which may be this one before a move`;
  const place = owner.home === home ? '' : `STEADYPORT_HOME=${quoteForShell(owner.home)} and `;
  return (
    `${what}; it has ${places}; to go on as it: ${place}"project": "${owner.name}" in the config, or STEADYPORT_PROJECT=${owner.name}; ` +
    `to run as ${project}, stop it first: ${variablesOf(owner)} ${stop}`
  );
};

const describeHolder = ({ app, place, by, owner }: Holder, { stop }: ClaimCommands): string => {
  if (owner === null)
    return `${place}: PM2 has an app ${app} that is not steadyport's, and knows apps by their names alone; give that one another name, or take it out: npx pm2 delete ${app}`;
  const { name, home, configPath } = owner;
  const has = by === 'name' ? `has it already (${app} in the same PM2)` : 'serves it already';
  const config = configPath === null ? `of STEADYPORT_HOME ${home}` : `with the config ${configPath}`;
  return `${place}: the project ${name}, ${config}, ${has}; take it out of one of the two configs, or stop that project: ${variablesOf(owner)} ${stop}`;
};

/** The variables by which a command is about another project. */
const variablesOf = ({ name, home, configPath }: OtherProject): string =>
  [
    `STEADYPORT_HOME=${quoteForShell(home)}`,
    `STEADYPORT_PROJECT=${name}`,
    ...(configPath === null ? [] : [`STEADYPORT_CONFIG=${quoteForShell(configPath)}`]),
  ].join(' ');
