// What one round says: of the clients, of the monitor's log and of its status.

/** A pause between two answers that a busy machine may make by itself. */
const NO_GAP_MS = 100;

export const figuresOf = ({ clients, followed, before, after, faultAt, endAt, targets, isExpected }) => {
  const seen = clients.results.filter(({ endMs }) => endMs >= faultAt && endMs <= endAt);
  const count = (outcome) => seen.filter((one) => one.outcome === outcome).length;
  const isWithin = ({ time }) => Date.parse(time) >= faultAt && Date.parse(time) <= endAt;
  const ports = new Set(targets.map(({ port }) => port));
  const names = new Set(targets.map(({ name }) => name));
  const gaps = [...ports].map((port) =>
    longestGap(
      clients.results.filter((one) => one.port === port && one.endMs <= endAt),
      faultAt,
    ),
  );
  const failures = followed.lines.filter((line) => line.event === 'failure' && isWithin(line));
  const firstMs = Math.min(
    ...failures.filter(({ proxy }) => names.has(proxy)).map(({ time }) => Date.parse(time)),
  );
  return {
    detectMs: Number.isFinite(firstMs) ? firstMs - faultAt : undefined,
    serveMs: Math.max(...gaps.map(({ againMs }) => againMs)),
    gapMs: Math.max(...gaps.map(({ lastsMs }) => lastsMs)),
    attempts: seen.length,
    refused: count('refused'),
    reset: count('reset'),
    timedOut: count('timed out'),
    lost: clients.lost.filter(({ lostMs }) => lostMs >= faultAt && lostMs <= endAt).length,
    restarts: restarts(before, after, (proxy) => names.has(proxy.name)),
    wrongRestarts:
      restarts(before, after, (proxy) => !names.has(proxy.name)) +
      (isExpected ? 0 : restarts(before, after, (proxy) => names.has(proxy.name))),
    causes: causesOf(followed.looks, faultAt, endAt, names),
    alerts: followed.lines.filter(
      (line) =>
        ['alert', 'restart_limit_reached'].includes(line.event) && names.has(line.proxy) && isWithin(line),
    ).length,
    gaveUp: followed.lines.filter((line) => line.event === 'restart_limit_reached' && isWithin(line)).length,
    lines: followed.lines.filter(isWithin),
  };
};

/** The longest time without an answer; none where every client was answered. */
const longestGap = (results, faultAt) => {
  if (results.every(({ outcome }) => outcome === 'ok')) return { againMs: 0, lastsMs: 0 };
  const answers = results
    .filter(({ outcome }) => outcome === 'ok')
    .map(({ endMs }) => endMs)
    .sort((a, b) => a - b);
  const before = answers.filter((atMs) => atMs < faultAt).at(-1) ?? faultAt;
  const after = answers.filter((atMs) => atMs >= faultAt);
  let longest = { againMs: 0, lastsMs: 0 };
  let last = before;
  for (const atMs of after) {
    if (atMs - last > Math.max(NO_GAP_MS, longest.lastsMs))
      longest = { againMs: atMs - faultAt, lastsMs: atMs - last };
    last = atMs;
  }
  return longest;
};

/** By the processes, not by the monitor's counters: it might have missed one. */
export const restarts = (before, after, which) =>
  before.proxies.filter(which).reduce((sum, proxy) => {
    const now = after.proxies.find(({ name }) => name === proxy.name);
    const counted = now.restarts.crash + now.restarts.forced - proxy.restarts.crash - proxy.restarts.forced;
    return sum + Math.max(counted, now.pid === proxy.pid ? 0 : 1);
  }, 0);

/** In the order in which they were said. */
const causesOf = (looks, faultAt, endAt, names) => {
  const said = looks
    .filter(({ atMs, status }) => status && atMs >= faultAt && atMs <= endAt)
    .flatMap(({ status }) => [
      ...status.proxies.filter(({ name }) => names.has(name)).flatMap(({ cause }) => cause ?? []),
      ...(status.monitor.pm2Problem ? [`PM2: ${status.monitor.pm2Problem}`] : []),
    ]);
  return [...new Set(said)];
};
