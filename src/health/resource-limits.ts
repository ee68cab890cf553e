import type { Evidence, Level } from './types.ts';

/** The two limits of a quantity, in its own unit; each is reached at its value, and 0 turns it off. */
export interface Limit {
  /** The limit from which on there is a warning. */
  readonly warn: number;
  /** The limit from which on the proxy is restarted. */
  readonly restart: number;
}

/** The limits of one proxy; their defaults are in config/schema.ts. */
export interface Limits {
  /** Resident memory: the minimum within SUSTAINED_WINDOW_MS. */
  readonly memoryBytes: Limit;
  /** CPU time, as a part of one core: the average over CPU_WINDOW_MS. */
  readonly cpuPercent: Limit;
  /** Open files, as a part of the process's own limit: the latest sample. */
  readonly openFilesPercent: Limit;
  /** The time that an answer on the control socket takes: the minimum within SUSTAINED_WINDOW_MS. */
  readonly lagMs: Limit;
}

/** The measurements of one check of a process; undefined where the system has no figure. */
export interface ResourceSample {
  /** Milliseconds of any clock that only goes forward. */
  readonly at: number;
  /** A sample of another process begins a new history. */
  readonly pid: number;
  /** Resident memory. */
  readonly rssBytes: number | undefined;
  /** User and system time since the process began. */
  readonly cpuMs: number | undefined;
  readonly openFiles: number | undefined;
  /** The process's own limit of open files. */
  readonly openFilesLimit: number | undefined;
  /** The time that the answer on the control socket took. */
  readonly responseMs: number | undefined;
}

/** The samples of one process that are still needed, oldest first. */
export interface SampleHistory {
  /** The samples within CPU_WINDOW_MS. */
  readonly samples: readonly ResourceSample[];
  /** The minimum of the memory in each TROUGH_WINDOW_MS; the last of these windows is not over yet. */
  readonly troughs: readonly { readonly since: number; readonly rssBytes: number }[];
}

export const NO_SAMPLES: SampleHistory = { samples: [], troughs: [] };

/** An average over this time, so that a peak of work is no fault. */
const CPU_WINDOW_MS = 60_000;
/** A minimum within this time, so that a peak is no fault. */
const SUSTAINED_WINDOW_MS = 30_000;
/**
 * Memory is growing when its minimum within each TROUGH_WINDOW_MS (10 min) was above the one before, MIN_RISING_TROUGHS
 * times in a row (an hour), and has become more than MIN_GROWTH_FACTOR times the first of them.
 */
const TROUGH_WINDOW_MS = 600_000;
const MIN_RISING_TROUGHS = 6;
const MIN_GROWTH_FACTOR = 1.5;
/** An average or a minimum counts when its samples span this part of its window. */
const MIN_HISTORY_SHARE = 0.8;

/**
 * Adds a sample, and forgets what is too old to be needed. What a process used before its first answer counts until then: it
 * had just begun.
 */
export const addSample = (previous: SampleHistory, sample: ResourceSample): SampleHistory => {
  const isContinued =
    previous.samples.at(-1)?.pid === sample.pid &&
    (sample.responseMs === undefined || hasAnswered(previous, sample.pid));
  const { samples, troughs } = isContinued ? previous : NO_SAMPLES;
  return {
    samples: [...samples.filter(({ at }) => sample.at - at <= CPU_WINDOW_MS), sample],
    troughs: sample.rssBytes === undefined ? troughs : addTrough(troughs, sample.at, sample.rssBytes),
  };
};

/** True when the process has answered at one of the samples. */
export const hasAnswered = ({ samples }: SampleHistory, pid: number): boolean =>
  samples.some((sample) => sample.pid === pid && sample.responseMs !== undefined);

const addTrough = (
  troughs: SampleHistory['troughs'],
  now: number,
  rssBytes: number,
): SampleHistory['troughs'] => {
  const lastTrough = troughs.at(-1);
  if (!lastTrough || now - lastTrough.since >= TROUGH_WINDOW_MS)
    return [...troughs, { since: now, rssBytes }].slice(-MIN_RISING_TROUGHS - 2);
  return rssBytes >= lastTrough.rssBytes ? troughs : [...troughs.slice(0, -1), { ...lastTrough, rssBytes }];
};

/** The resource usage of a process, in the units of {@link Limits}; null where it is not known. */
export interface Usage {
  /** The minimum within SUSTAINED_WINDOW_MS. */
  readonly memoryBytes: number | null;
  /** The average over the samples, in whole percent of one core. */
  readonly cpuPercent: number | null;
  /** The number of open files in the latest sample. */
  readonly openFiles: number | null;
  /** The process's own limit of open files. */
  readonly openFilesLimit: number | null;
  /**
   * {@link ResourceSample.responseMs}: the minimum within SUSTAINED_WINDOW_MS, in whole milliseconds. The public name is that of
   * the limit.
   */
  readonly lagMs: number | null;
}

/** The resource usage of the process by its samples so far, however few they are. */
export const usageOf = ({ samples }: SampleHistory): Usage => {
  const lastSample = samples.at(-1);
  const lagMs = leastResponseMs(samples);
  return {
    memoryBytes: minOf(samples, ({ rssBytes }) => rssBytes),
    cpuPercent: averageCpuPercent(samples),
    openFiles: lastSample?.openFiles ?? null,
    openFilesLimit: lastSample?.openFilesLimit ?? null,
    lagMs: lagMs === null ? null : Math.round(lagMs),
  };
};

const leastResponseMs = (samples: readonly ResourceSample[]): number | null =>
  minOf(samples, ({ responseMs }) => responseMs);

const minOf = (
  samples: readonly ResourceSample[],
  select: (sample: ResourceSample) => number | undefined,
): number | null => {
  const newestAt = samples.at(-1)?.at ?? 0;
  const values = samples
    .filter(({ at }) => newestAt - at <= SUSTAINED_WINDOW_MS)
    .map(select)
    .filter((value) => value !== undefined);
  return values.length === 0 ? null : Math.min(...values);
};

const averageCpuPercent = (samples: readonly ResourceSample[]): number | null => {
  const first = samples[0];
  const last = samples.at(-1);
  if (!first || !last || first.cpuMs === undefined || last.cpuMs === undefined) return null;
  const elapsedMs = last.at - first.at;
  return elapsedMs <= 0 ? null : Math.round((100 * (last.cpuMs - first.cpuMs)) / elapsedMs);
};

/** True while the samples span too little of the window: what they show may be a peak. */
const hasShortHistory = ({ samples }: SampleHistory, windowMs: number): boolean =>
  (samples.at(-1)?.at ?? 0) - (samples[0]?.at ?? 0) < windowMs * MIN_HISTORY_SHARE;

/** Compares each quantity with its limits; `unknown` while its samples span too little of its window. */
export const levelsOf = (
  history: SampleHistory,
  limits: Limits,
): Pick<Evidence, 'openFiles' | 'memory' | 'cpu' | 'lag'> => {
  const { memoryBytes, cpuPercent, openFiles, openFilesLimit } = usageOf(history);
  const lagMs = leastResponseMs(history.samples);
  const openFilesPercent =
    openFiles === null || openFilesLimit === null ? null : (100 * openFiles) / openFilesLimit;
  const memory = hasShortHistory(history, SUSTAINED_WINDOW_MS)
    ? 'unknown'
    : levelOf(memoryBytes, limits.memoryBytes);
  return {
    openFiles: levelOf(openFilesPercent, limits.openFilesPercent),
    memory: memory === 'ok' && isMemoryGrowing(history) ? 'growing' : memory,
    cpu: hasShortHistory(history, CPU_WINDOW_MS) ? 'unknown' : levelOf(cpuPercent, limits.cpuPercent),
    lag: hasShortHistory(history, SUSTAINED_WINDOW_MS) ? 'unknown' : levelOf(lagMs, limits.lagMs),
  };
};

const levelOf = (value: number | null, { warn, restart }: Limit): Level => {
  if (value === null) return 'unknown';
  if (restart > 0 && value >= restart) return 'restart';
  return warn > 0 && value >= warn ? 'warn' : 'ok';
};

/** The last trough does not count: its window is not over, and its minimum so far may be a peak. */
const isMemoryGrowing = (history: SampleHistory): boolean => {
  const troughs = history.troughs.slice(0, -1);
  const first = troughs[0];
  const last = troughs.at(-1);
  if (!first || !last || troughs.length <= MIN_RISING_TROUGHS) return false;
  const isRising = troughs.every(
    (trough, index) => index === 0 || trough.rssBytes > (troughs[index - 1]?.rssBytes ?? 0),
  );
  return isRising && last.rssBytes > first.rssBytes * MIN_GROWTH_FACTOR;
};

/** The quantity of a limit's cause, for people: "210 MB of memory (limit 192 MB)". Null for other causes. */
export const describeUsage = (cause: string, usage: Usage, limits: Limits): string | null => {
  const { memoryBytes, cpuPercent, openFiles, openFilesLimit, lagMs } = usage;
  if (cause === 'memory_limit' && memoryBytes !== null)
    return `${formatMegabytes(memoryBytes)} of memory (limit ${formatMegabytes(exceededLimit(memoryBytes, limits.memoryBytes))})`;
  if (cause === 'cpu_limit' && cpuPercent !== null)
    return `${cpuPercent} % of a core (limit ${exceededLimit(cpuPercent, limits.cpuPercent)} %)`;
  if (cause === 'open_files_limit' && openFiles !== null)
    return `${openFiles} of ${openFilesLimit} open files`;
  if (cause === 'slow_responses' && lagMs !== null)
    return `answers take ${Math.round(lagMs)} ms (limit ${exceededLimit(lagMs, limits.lagMs)} ms)`;
  return null;
};

/** The limit that the value has reached: the one for a restart, if it is that high. */
const exceededLimit = (value: number, { warn, restart }: Limit): number =>
  restart > 0 && value >= restart ? restart : warn;

const formatMegabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
