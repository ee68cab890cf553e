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
  readonly atMs: number;
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
export interface Track {
  readonly samples: readonly Sample[];
  /** The least memory of each {@link TROUGH_MS} so far. */
  readonly troughs: readonly { readonly sinceMs: number; readonly rssBytes: number }[];
}

export const NO_TRACK: Track = { samples: [], troughs: [] };

/** CPU is an average over a minute; memory and lag count by their least within half a minute: peaks are no fault. */
const CPU_WINDOW_MS = 60_000;
const SUSTAINED_MS = 30_000;
/** Memory grows without end when its trough rose each ten minutes for an hour, by half in all. */
const TROUGH_MS = 600_000;
const RISING_TROUGHS = 6;
const GROWTH = 1.5;

export const track = (before: Track, sample: Sample): Track => {
  const isSame = before.samples.at(-1)?.pid === sample.pid;
  const { samples, troughs } = isSame ? before : NO_TRACK;
  return {
    samples: [...samples.filter(({ atMs }) => sample.atMs - atMs <= CPU_WINDOW_MS), sample],
    troughs: sample.rssBytes === undefined ? troughs : sink(troughs, sample.atMs, sample.rssBytes),
  };
};

const sink = (troughs: Track['troughs'], atMs: number, rssBytes: number): Track['troughs'] => {
  const last = troughs.at(-1);
  if (!last || atMs - last.sinceMs >= TROUGH_MS)
    return [...troughs, { sinceMs: atMs, rssBytes }].slice(-RISING_TROUGHS - 2);
  return rssBytes >= last.rssBytes ? troughs : [...troughs.slice(0, -1), { ...last, rssBytes }];
};

/** In the units of {@link Limits}; null where nothing is known, or not for long enough. */
export interface Usage {
  readonly memoryBytes: number | null;
  readonly cpuPercent: number | null;
  readonly openFiles: number | null;
  readonly openFilesLimit: number | null;
  readonly lagMs: number | null;
}

export const usageOf = ({ samples }: Track): Usage => {
  const last = samples.at(-1);
  return {
    memoryBytes: least(samples, ({ rssBytes }) => rssBytes),
    cpuPercent: cpuShare(samples),
    openFiles: last?.openFiles ?? null,
    openFilesLimit: last?.openFilesLimit ?? null,
    lagMs: least(samples, ({ lagMs }) => lagMs),
  };
};

const least = (samples: readonly Sample[], value: (sample: Sample) => number | undefined): number | null => {
  const newest = samples.at(-1)?.atMs ?? 0;
  const values = samples
    .filter(({ atMs }) => newest - atMs <= SUSTAINED_MS)
    .map(value)
    .filter((one) => one !== undefined);
  return values.length === 0 ? null : Math.min(...values);
};

const cpuShare = (samples: readonly Sample[]): number | null => {
  const [first, last] = [samples[0], samples.at(-1)];
  if (!first || !last || first.cpuMs === undefined || last.cpuMs === undefined) return null;
  const elapsedMs = last.atMs - first.atMs;
  return elapsedMs <= 0 ? null : Math.round((100 * (last.cpuMs - first.cpuMs)) / elapsedMs);
};

/** Whether a peak could hide behind so short a memory: nothing is acted on before. */
const isYoung = ({ samples }: Track, windowMs: number): boolean =>
  (samples.at(-1)?.atMs ?? 0) - (samples[0]?.atMs ?? 0) < windowMs * 0.8;

export const levelsOf = (
  seen: Track,
  limits: Limits,
): Pick<Evidence, 'openFiles' | 'memory' | 'cpu' | 'lag'> => {
  const { memoryBytes, cpuPercent, openFiles, openFilesLimit, lagMs } = usageOf(seen);
  const filesPercent =
    openFiles === null || openFilesLimit === null ? null : (100 * openFiles) / openFilesLimit;
  const memory = isYoung(seen, SUSTAINED_MS) ? 'unknown' : level(memoryBytes, limits.memoryBytes);
  return {
    openFiles: level(filesPercent, limits.openFilesPercent),
    memory: memory === 'ok' && isGrowing(seen) ? 'growing' : memory,
    cpu: isYoung(seen, CPU_WINDOW_MS) ? 'unknown' : level(cpuPercent, limits.cpuPercent),
    lag: isYoung(seen, SUSTAINED_MS) ? 'unknown' : level(lagMs, limits.lagMs),
  };
};

const level = (value: number | null, { warn, restart }: Limit): Level => {
  if (value === null) return 'unknown';
  if (restart > 0 && value >= restart) return 'restart';
  return warn > 0 && value >= warn ? 'warn' : 'ok';
};

/** The last ten minutes are not over yet: what is their least so far may be a peak. */
const isGrowing = (seen: Track): boolean => {
  const troughs = seen.troughs.slice(0, -1);
  const [first, last] = [troughs[0], troughs.at(-1)];
  if (!first || !last || troughs.length <= RISING_TROUGHS) return false;
  const isRising = troughs.every((one, at) => at === 0 || one.rssBytes > (troughs[at - 1]?.rssBytes ?? 0));
  return isRising && last.rssBytes > first.rssBytes * GROWTH;
};

/** "210 MB of memory (limit 192 MB)": what is at or over a limit, for people. */
export const describeUsage = (cause: string, usage: Usage, limits: Limits): string | null => {
  const over = (value: number, { warn, restart }: Limit): number =>
    restart > 0 && value >= restart ? restart : warn;
  const { memoryBytes, cpuPercent, openFiles, openFilesLimit, lagMs } = usage;
  const mb = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
  if (cause === 'memory_limit' && memoryBytes !== null)
    return `${mb(memoryBytes)} of memory (limit ${mb(over(memoryBytes, limits.memoryBytes))})`;
  if (cause === 'cpu_limit' && cpuPercent !== null)
    return `${cpuPercent} % of a core (limit ${over(cpuPercent, limits.cpuPercent)} %)`;
  if (cause === 'open_files_limit' && openFiles !== null)
    return `${openFiles} of ${openFilesLimit} open files`;
  if (cause === 'slow_responses' && lagMs !== null)
    return `answers take ${Math.round(lagMs)} ms (limit ${over(lagMs, limits.lagMs)} ms)`;
  return null;
};
