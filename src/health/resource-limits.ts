import type { Evidence, Level } from './types.ts';

/** 0: no such limit. */
export interface Limit {
  readonly warn: number;
  readonly restart: number;
}

export interface Limits {
  readonly memoryBytes: Limit;
  /** Of one core. */
  readonly cpuPercent: Limit;
  /** Of the process's own limit of open files. */
  readonly openFilesPercent: Limit;
  /** What an answer on the control socket takes. */
  readonly lagMs: Limit;
}

/** What one look measured of a process; undefined where the system does not tell. */
export interface Sample {
  readonly at: number;
  /** Another process begins anew. */
  readonly pid: number;
  readonly rssBytes: number | undefined;
  /** User and system time since the process began. */
  readonly cpuMs: number | undefined;
  readonly openFiles: number | undefined;
  readonly openFilesLimit: number | undefined;
  readonly lagMs: number | undefined;
}

/** What is remembered of the samples of one process, newest last. */
export interface SampleHistory {
  readonly samples: readonly Sample[];
  /** The least memory of each {@link TROUGH_WINDOW_MS} so far. */
  readonly troughs: readonly { readonly since: number; readonly rssBytes: number }[];
}

export const NO_SAMPLES: SampleHistory = { samples: [], troughs: [] };

/** CPU is an average over a minute; memory and lag count by their least within half a minute: peaks are no fault. */
const CPU_WINDOW_MS = 60_000;
const SUSTAINED_WINDOW_MS = 30_000;
/** Memory grows without end when its trough rose each ten minutes for an hour, by half in all. */
const TROUGH_WINDOW_MS = 600_000;
const MIN_RISING_TROUGHS = 6;
const MIN_GROWTH_FACTOR = 1.5;

export const addSample = (previous: SampleHistory, sample: Sample): SampleHistory => {
  const isSameProcess = previous.samples.at(-1)?.pid === sample.pid;
  const { samples, troughs } = isSameProcess ? previous : NO_SAMPLES;
  return {
    samples: [...samples.filter(({ at }) => sample.at - at <= CPU_WINDOW_MS), sample],
    troughs: sample.rssBytes === undefined ? troughs : addTrough(troughs, sample.at, sample.rssBytes),
  };
};

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

/** In the units of {@link Limits}; null where nothing is known, or not for long enough. */
export interface Usage {
  readonly memoryBytes: number | null;
  readonly cpuPercent: number | null;
  readonly openFiles: number | null;
  readonly openFilesLimit: number | null;
  readonly lagMs: number | null;
}

export const usageOf = ({ samples }: SampleHistory): Usage => {
  const lastSample = samples.at(-1);
  return {
    memoryBytes: minOf(samples, ({ rssBytes }) => rssBytes),
    cpuPercent: averageCpuPercent(samples),
    openFiles: lastSample?.openFiles ?? null,
    openFilesLimit: lastSample?.openFilesLimit ?? null,
    lagMs: minOf(samples, ({ lagMs }) => lagMs),
  };
};

const minOf = (samples: readonly Sample[], select: (sample: Sample) => number | undefined): number | null => {
  const newestAt = samples.at(-1)?.at ?? 0;
  const values = samples
    .filter(({ at }) => newestAt - at <= SUSTAINED_WINDOW_MS)
    .map(select)
    .filter((value) => value !== undefined);
  return values.length === 0 ? null : Math.min(...values);
};

const averageCpuPercent = (samples: readonly Sample[]): number | null => {
  const [first, last] = [samples[0], samples.at(-1)];
  if (!first || !last || first.cpuMs === undefined || last.cpuMs === undefined) return null;
  const elapsedMs = last.at - first.at;
  return elapsedMs <= 0 ? null : Math.round((100 * (last.cpuMs - first.cpuMs)) / elapsedMs);
};

/** Whether a peak could hide behind so short a memory: nothing is acted on before. */
const hasShortHistory = ({ samples }: SampleHistory, windowMs: number): boolean =>
  (samples.at(-1)?.at ?? 0) - (samples[0]?.at ?? 0) < windowMs * 0.8;

export const levelsOf = (
  history: SampleHistory,
  limits: Limits,
): Pick<Evidence, 'openFiles' | 'memory' | 'cpu' | 'lag'> => {
  const { memoryBytes, cpuPercent, openFiles, openFilesLimit, lagMs } = usageOf(history);
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

/** The last ten minutes are not over yet: what is their least so far may be a peak. */
const isMemoryGrowing = (history: SampleHistory): boolean => {
  const troughs = history.troughs.slice(0, -1);
  const [first, last] = [troughs[0], troughs.at(-1)];
  if (!first || !last || troughs.length <= MIN_RISING_TROUGHS) return false;
  const isRising = troughs.every(
    (trough, index) => index === 0 || trough.rssBytes > (troughs[index - 1]?.rssBytes ?? 0),
  );
  return isRising && last.rssBytes > first.rssBytes * MIN_GROWTH_FACTOR;
};

/** "210 MB of memory (limit 192 MB)": what is at or over a limit, for people. */
export const describeUsage = (cause: string, usage: Usage, limits: Limits): string | null => {
  const exceededLimit = (value: number, { warn, restart }: Limit): number =>
    restart > 0 && value >= restart ? restart : warn;
  const { memoryBytes, cpuPercent, openFiles, openFilesLimit, lagMs } = usage;
  const formatMegabytes = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
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
