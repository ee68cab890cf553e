import { networkInterfaces } from 'node:os';

let cachedAddresses: readonly string[] = [];
/** True when the cache was filled in this turn of the event loop. */
let isCacheFresh = false;

/**
 * This host's own IP addresses, link-local IPv6 ones with their scope, as bind(2) needs it. When the system cannot say
 * (this process is out of open files), the addresses that were read last.
 */
export const localAddresses = (): readonly string[] => {
  // One status asks once for each proxy, and the system takes 0.1 ms for each answer.
  if (isCacheFresh) return cachedAddresses;
  isCacheFresh = true;
  queueMicrotask(() => {
    isCacheFresh = false;
  });
  try {
    cachedAddresses = Object.entries(networkInterfaces()).flatMap(([name, addresses]) =>
      (addresses ?? []).map(({ address, family, scopeid }) =>
        family === 'IPv6' && scopeid ? `${address}%${name}` : address,
      ),
    );
  } catch {
    // The cached addresses stay.
  }
  return cachedAddresses;
};
