import type { Usage } from '../health/resource-limits.ts';
import type { Evidence } from '../health/types.ts';
import { formatDuration } from '../lib/duration.ts';
import { describeRefusals } from './refusals.ts';
import type { ProxyStatus, Snapshot } from './snapshot.ts';
import { causeWordOf, disabledOf } from './summary.ts';
import { wrap } from './text-layout.ts';

/** The evidence of a proxy's last check. Times are wall-clock milliseconds, durations are milliseconds. */
export interface CheckDetails {
  readonly startedAt: number;
  readonly durationMs: number;
  /** The process that was checked; null when none is known. */
  readonly pid: number | null;
  readonly evidence: Evidence;
  readonly probe: {
    readonly type: string;
    /** True when the upstream was checked since the check before this one. */
    readonly isNew: boolean;
    /** The duration of the last probe; null when it failed, or only reads the socket table. */
    readonly durationMs: number | null;
    /** Why a check failed; null when none failed. */
    readonly detail: string | null;
  };
  readonly usage: Usage;
}

/** The last check of each proxy by the proxy's name; null until its first check has ended. */
export type EvidenceByProxy = Readonly<Record<string, CheckDetails | null>>;

/** The output of `steadyport status --json --evidence`. */
export interface SnapshotWithEvidence extends Snapshot {
  readonly proxies: readonly (ProxyStatus & { readonly evidence: CheckDetails | null })[];
}

export const withEvidence = (snapshot: Snapshot, evidence: EvidenceByProxy): SnapshotWithEvidence => ({
  ...snapshot,
  proxies: snapshot.proxies.map((proxy) => ({ ...proxy, evidence: evidence[proxy.name] ?? null })),
});

/** Renders the evidence for people: a block for each proxy, a value a line, wrapped at `columns`. */
export const renderEvidence = (snapshot: SnapshotWithEvidence, columns: number, now: number): string => {
  const { proxies, monitor, monitorProblem } = snapshot;
  const problem = monitorProblem === null ? '' : ` The monitor is there: ${monitorProblem}`;
  const source = monitor === null ? `No monitor answers. This is from one check just now.${problem}\n\n` : '';
  const blocks = proxies.map((proxy) => {
    const { id, label, state, evidence } = proxy;
    const cause = causeWordOf(proxy);
    const verdict = cause === null ? state : `${state} (${cause})`;
    const rows = [
      ...(evidence === null ? NOT_CHECKED : rowsOf(evidence, now)),
      ['clients', describeRefusals(proxy, now).join('. ') || 'none refused'] as const,
    ];
    return [`${id}  ${label}  ${verdict}`, ...rows.flatMap((row) => renderRow(row, columns))].join('\n');
  });
  const disabledBlocks = disabledOf(snapshot).map(({ id, label }) => `${id}  ${label}  disabled`);
  return `${source}${[...blocks, ...disabledBlocks].join('\n\n')}\n`;
};

type Row = readonly [label: string, value: string];

const NOT_CHECKED: readonly Row[] = [['checked', 'not yet']];

const rowsOf = (
  { startedAt, durationMs, pid, evidence, probe, usage }: CheckDetails,
  now: number,
): readonly Row[] => [
  ['checked', `${formatDuration(Math.max(0, now - startedAt))} ago, took ${formatDuration(durationMs)}`],
  ['pid', String(pid ?? 'unknown')],
  ...Object.entries(evidence),
  ['probe', formatProbe(probe)],
  ['detail', probe.detail ?? 'none'],
  ['memory used', usage.memoryBytes === null ? 'unknown' : `${Math.round(usage.memoryBytes / 1e6)} MB`],
  ['CPU used', usage.cpuPercent === null ? 'unknown' : `${usage.cpuPercent} % of a core`],
  ['files used', usage.openFiles === null ? 'unknown' : `${usage.openFiles}/${usage.openFilesLimit ?? '-'}`],
  ['answer took', usage.lagMs === null ? 'unknown' : `${Math.round(usage.lagMs)} ms`],
];

const formatProbe = ({ type, isNew, durationMs }: CheckDetails['probe']): string => {
  const duration = durationMs === null ? '' : `, took ${durationMs} ms`;
  return `${type}${duration}${isNew ? ', run since the check before' : ', the result of an earlier check'}`;
};

/** The width of the longest label, and two spaces. */
const LABEL_COLUMNS = 13;

const renderRow = ([label, value]: Row, columns: number): readonly string[] =>
  wrap(value, columns, `    ${label.padEnd(LABEL_COLUMNS)}`, ' '.repeat(4 + LABEL_COLUMNS));
