// Computes the figures of one round from the clients' results, the monitor's log and its status.

/** A shorter pause between two answers is no gap: a busy machine causes it too. */
const MIN_GAP_MS = 100;

export const figuresOf = ({ clients, followed, before, after, faultAt, endAt, targets, isExpected }) => {
  const attempts = clients.results.filter(({ endedAt }) => endedAt >= faultAt && endedAt <= endAt);
  const count = (outcome) => attempts.filter((attempt) => attempt.outcome === outcome).length;
  const isWithin = ({ time }) => Date.parse(time) >= faultAt && Date.parse(time) <= endAt;
  const ports = new Set(targets.map(({ port }) => port));
  const names = new Set(targets.map(({ name }) => name));
  const gaps = [...ports].map((port) =>
    longestGap(
      clients.results.filter((result) => result.port === port && result.endedAt <= endAt),
      faultAt,
    ),
  );
  const failures = followed.lines.filter((line) => line.event === 'failure' && isWithin(line));
  const firstFailureAt = Math.min(
    ...failures.filter(({ proxy }) => names.has(proxy)).map(({ time }) => Date.parse(time)),
  );
  return {
    detectMs: Number.isFinite(firstFailureAt) ? firstFailureAt - faultAt : undefined,
    serveMs: Math.max(...gaps.map(({ againMs }) => againMs)),
    gapMs: Math.max(...gaps.map(({ lastsMs }) => lastsMs)),
    attempts: attempts.length,
    refused: count('refused'),
    reset: count('reset'),
    timedOut: count('timed out'),
    lost: clients.lost.filter(({ lostAt }) => lostAt >= faultAt && lostAt <= endAt).length,
    restarts: restarts(before, after, (proxy) => names.has(proxy.name)),
    wrongRestarts:
      restarts(before, after, (proxy) => !names.has(proxy.name)) +
      (isExpected ? 0 : restarts(before, after, (proxy) => names.has(proxy.name))),
    causes: causesOf(followed.samples, faultAt, endAt, names),
    alerts: followed.lines.filter(
      (line) =>
        ['alert', 'restart_limit_reached'].includes(line.event) && names.has(line.proxy) && isWithin(line),
    ).length,
    gaveUp: followed.lines.filter((line) => line.event === 'restart_limit_reached' && isWithin(line)).length,
    lines: followed.lines.filter(isWithin),
  };
};

/** Finds the longest time without an answer; zero where every client was answered. */
const longestGap = (results, faultAt) => {
  if (results.every(({ outcome }) => outcome === 'ok')) return { againMs: 0, lastsMs: 0 };
  const answers = results
    .filter(({ outcome }) => outcome === 'ok')
    .map(({ endedAt }) => endedAt)
    .sort((a, b) => a - b);
  const before = answers.filter((at) => at < faultAt).at(-1) ?? faultAt;
  const after = answers.filter((at) => at >= faultAt);
  let longest = { againMs: 0, lastsMs: 0 };
  let last = before;
  for (const at of after) {
    if (at - last > Math.max(MIN_GAP_MS, longest.lastsMs))
      longest = { againMs: at - faultAt, lastsMs: at - last };
    last = at;
  }
  return longest;
};

/** Counts by the processes too, since the monitor's counters might have missed a restart. */
export const restarts = (before, after, which) =>
  before.proxies.filter(which).reduce((sum, proxy) => {
    const now = after.proxies.find(({ name }) => name === proxy.name);
    const counted = now.restarts.crash + now.restarts.forced - proxy.restarts.crash - proxy.restarts.forced;
    return sum + Math.max(counted, now.pid === proxy.pid ? 0 : 1);
  }, 0);

/** @returns the causes and PM2 problems that the status reported, in order of their appearance */
const causesOf = (samples, faultAt, endAt, names) => {
  const causes = samples
    .filter(({ at, status }) => status && at >= faultAt && at <= endAt)
    .flatMap(({ status }) => [
      ...status.proxies.filter(({ name }) => names.has(name)).flatMap(({ cause }) => cause ?? []),
      ...(status.monitor.pm2Problem ? [`PM2: ${status.monitor.pm2Problem}`] : []),
    ]);
  return [...new Set(causes)];
};
