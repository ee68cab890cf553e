import { type Address, formatAddress } from '../../lib/address.ts';

/**
 * Detects connections that the proxy has opened to itself. It remembers both addresses of each client's connection and of
 * each connection to the upstream, the dialing side first: a connection that is in both sets has come back. One address
 * would not identify a connection, because the system gives the same local port to many of them.
 */
export interface SelfConnectGuard {
  /** True when a connection to the address can come back: only one to a port that the proxy listens on can. */
  isNeededFor(address: Address): boolean;
  /** @param localAddress undefined where it is not known; nothing is remembered then */
  onDialed(localAddress: Address | undefined, address: Address, now: number): void;
  /** Remembers the client. @returns whether the proxy itself has dialed this connection */
  onAccepted(client: Address, localAddress: Address): boolean;
  /** Forgets the client. */
  onClosed(client: Address, localAddress: Address): void;
  /** True when the connection to the upstream is one of the clients' connections. */
  isConnectedToClient(localAddress: Address | undefined, address: Address): boolean;
}

/**
 * A dialed connection is remembered for this long, even if it has ended: by then it has surely been accepted. Otherwise a
 * loop whose first connection was cut would go on.
 */
const ENTRY_TTL_MS = 5_000;
/** Expired entries are removed when there are this many entries. */
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
