// The size of each measure's load.

/**
 * `warmUp` is the share of the load that runs before the measured one, until code is compiled and buffers have grown.
 * `settleMs` is the time for the work after a load: connections close, socat's children are reaped.
 */
export const SIZES = {
  full: {
    warmUp: 0.5,
    settleMs: 300,
    bytes: 2e9,
    seconds: 4,
    turns: 10,
    roundTrips: 500,
    connections: 3_500,
    quietMs: 2_000,
    starts: 5,
    counted: { requests: 20_000, connections: 2_000 },
    small: { count: 1_000, everyMs: 500, seconds: 4 },
  },
  quick: {
    warmUp: 0,
    settleMs: 50,
    bytes: 1e8,
    seconds: 1,
    turns: 2,
    roundTrips: 200,
    connections: 100,
    quietMs: 200,
    starts: 1,
    counted: { requests: 640, connections: 64 },
    small: { count: 100, everyMs: 100, seconds: 0.3 },
  },
};

/** The connections of wrk's measures and of the counts of system calls. */
export const CONNECTIONS_AT_ONCE = 64;

/** After `warmUpMs` the RSS "at the start" is taken. */
export const SOAK_SIZES = {
  full: { held: 9_000, rate: 1_000, seconds: 60, warmUpMs: 5_000, restMs: 2_000 },
  quick: { held: 300, rate: 100, seconds: 2, warmUpMs: 500, restMs: 300 },
};

/** The sizes of each load in each round. */
export const WATCHED_SIZES = {
  full: { seconds: 10, small: { count: 1_000, everyMs: 500 } },
  quick: { seconds: 3, small: { count: 100, everyMs: 100 } },
};

export const ROTATION_SIZES = {
  full: { lines: 500_000, rate: 200_000, rotations: 10, apartMs: 50, proxySeconds: 80 },
  quick: { lines: 50_000, rate: 100_000, rotations: 2, apartMs: 20, proxySeconds: 3 },
};

/** After `leftMs` connections that have ended are closed; `limitMs` is longer than the half-close time-out. */
export const FATES_SIZES = {
  full: {
    connections: 50_000,
    warmUp: 5_000,
    killEveryMs: 2_000,
    downMs: 300,
    leftMs: 2_000,
    restMs: 30_000,
    limitMs: 90_000,
  },
  quick: {
    connections: 1_000,
    warmUp: 500,
    killEveryMs: 200,
    downMs: 50,
    leftMs: 1_000,
    restMs: 200,
    limitMs: 90_000,
  },
};

export const STALLED_SIZES = {
  full: { connections: 3_000, stallMs: 15_000, leftMs: 2_000, restMs: 30_000, limitMs: 90_000 },
  quick: { connections: 100, stallMs: 1_000, leftMs: 1_000, restMs: 200, limitMs: 90_000 },
};
