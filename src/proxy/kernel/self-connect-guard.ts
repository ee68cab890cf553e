import { type Address, formatAddress } from '../../lib/address.ts';

/**
 * Both ends of the clients' connections, and of those to the upstream, the dialling end first: one that is in both came
 * back. One end would not do: the system gives a local port to many connections at a time.
 */
export interface SelfConnectGuard {
  /** Only a port that the proxy listens on itself can come back; everything else is not remembered. */
  isNeededFor(address: Address): boolean;
  onDialed(localAddress: Address | undefined, address: Address, now: number): void;
  /** Whether the proxy itself has dialled this client. */
  onAccepted(client: Address, localAddress: Address): boolean;
  onClosed(client: Address, localAddress: Address): void;
  /** Whether one of the clients is at the other end. */
  isConnectedToClient(localAddress: Address | undefined, address: Address): boolean;
}

/** Until a connection that was dialled has surely been accepted: a loop whose first connection was cut would go on. */
const ENTRY_TTL_MS = 5_000;
/** Those that are over are looked for when there are so many. */
const CLEANUP_THRESHOLD = 256;

export const createSelfConnectGuard = (listeners: () => readonly Address[]): SelfConnectGuard => {
  const incoming = new Set<string>();
  const outgoing = new Map<string, number>();
  const removeExpired = (now: number): void => {
    for (const [key, expiresAt] of outgoing) if (expiresAt < now) outgoing.delete(key);
  };
  return {
    isNeededFor: ({ port }) => port !== 0 && listeners().some((listener) => listener.port === port),
    onDialed: (localAddress, address, now) => {
      if (!localAddress) return;
      if (outgoing.size >= CLEANUP_THRESHOLD) removeExpired(now);
      outgoing.set(connectionKey(localAddress, address), now + ENTRY_TTL_MS);
    },
    onAccepted: (client, localAddress) => {
      const key = connectionKey(client, localAddress);
      incoming.add(key);
      return outgoing.has(key);
    },
    onClosed: (client, localAddress) => incoming.delete(connectionKey(client, localAddress)),
    isConnectedToClient: (localAddress, address) =>
      localAddress !== undefined && incoming.has(connectionKey(localAddress, address)),
  };
};

const connectionKey = (from: Address, to: Address): string => `${formatAddress(from)} ${formatAddress(to)}`;
