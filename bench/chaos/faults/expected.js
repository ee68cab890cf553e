// Expectations of a fault. A text with "within" is checked against the median of the rounds, any other in each round.

export const servesWithin = (limitMs) => ({
  text: `serves again within ${limitMs < 1_000 ? `${limitMs} ms` : `${limitMs / 1_000} s`}`,
  holds: ({ serveMs }) => serveMs > 0 && serveMs <= limitMs,
});

/** Service may never have been interrupted: the kernel engine does not need the main thread. */
export const isServedWithin = (limitMs) => ({
  text: `is served within ${limitMs / 1_000} s`,
  holds: ({ serveMs }) => serveMs <= limitMs,
});

/** The status reports one of the causes at any time during the round. */
export const reports = (...causes) => ({
  text: `reports ${causes.join(' or ')}`,
  holds: (figures) => causes.some((cause) => figures.causes.includes(cause)),
});

export const reportsOnly = (cause) => ({
  text: `reports only ${cause}`,
  holds: ({ causes }) => causes.length === 1 && causes[0] === cause,
});

export const NO_WRONG_RESTART = {
  text: 'no wrong restart',
  holds: ({ wrongRestarts }) => wrongRestarts === 0,
};

export const NO_RESTART = {
  text: '0 restarts',
  holds: ({ restarts, wrongRestarts }) => restarts + wrongRestarts === 0,
};

export const NONE_LOST = {
  text: '0 refused, 0 reset',
  holds: ({ refused, reset, timedOut }) => refused + reset + timedOut === 0,
};

export const NO_ALERT = { text: 'no alert', holds: ({ alerts }) => alerts === 0 };

export const ONE_ALERT = { text: 'one ALERT', holds: ({ alerts }) => alerts === 1 };
