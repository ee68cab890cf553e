import { type Address, formatAddress } from '../../lib/address.ts';

/**
 * Both ends of the clients' connections, and of those to the upstream, the dialling end first: one that is in both came
 * back. One end would not do: the system gives a local port to many connections at a time.
 */
export interface LoopGuard {
  /** Only a port that the proxy listens on itself can come back; everything else is not remembered. */
  isNeeded(dialled: Address): boolean;
  dialled(own: Address | undefined, address: Address, nowMs: number): void;
  /** Whether the proxy itself has dialled this client. */
  accepted(client: Address, own: Address): boolean;
  left(client: Address, own: Address): void;
  /** Whether one of the clients is at the other end. */
  isClients(own: Address | undefined, address: Address): boolean;
}

/** Until a connection that was dialled has surely been accepted: a loop whose first connection was cut would go on. */
const FORGET_MS = 5_000;
/** Those that are over are looked for when there are so many. */
const MANY = 256;

export const createLoopGuard = (listeners: () => readonly Address[]): LoopGuard => {
  const incoming = new Set<string>();
  const outgoing = new Map<string, number>();
  const forget = (nowMs: number): void => {
    for (const [ends, untilMs] of outgoing) if (untilMs < nowMs) outgoing.delete(ends);
  };
  return {
    isNeeded: ({ port }) => port !== 0 && listeners().some((listener) => listener.port === port),
    dialled: (own, address, nowMs) => {
      if (!own) return;
      if (outgoing.size >= MANY) forget(nowMs);
      outgoing.set(bothEnds(own, address), nowMs + FORGET_MS);
    },
    accepted: (client, own) => {
      const ends = bothEnds(client, own);
      incoming.add(ends);
      return outgoing.has(ends);
    },
    left: (client, own) => incoming.delete(bothEnds(client, own)),
    isClients: (own, address) => own !== undefined && incoming.has(bothEnds(own, address)),
  };
};

const bothEnds = (from: Address, to: Address): string => `${formatAddress(from)} ${formatAddress(to)}`;
