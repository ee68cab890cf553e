import type { OpenProbe } from './probe-request.ts';

/** Connects and closes. It sends no byte and no reset: PostgreSQL logs a reset, and a careless server exits on one. */
export const openTcpProbe: OpenProbe<'tcp'> = () => ({
  nameAt: (where) => where,
  exchange: (_, settle) => {
    settle();
    return () => undefined;
  },
});
