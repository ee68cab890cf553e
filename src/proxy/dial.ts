import { setTimeout as sleep } from 'node:timers/promises';
import type { Address } from '../core/address.ts';
import { resolve } from '../host/resolve.ts';

/** A connection to one address: it settles within the connect time-out, with the system's code when it fails. */
export type Connect<S> = (address: Address, signal: AbortSignal) => Promise<Connected<S>>;
export type Connected<S> =
  | { readonly ok: true; readonly socket: S }
  | { readonly ok: false; readonly code: string };

export type Dialled<S> =
  | { readonly ok: true; readonly socket: S; readonly address: Address; readonly tries: number }
  | { readonly ok: false; readonly code: string; readonly address: Address | null; readonly tries: number };

/** Hold: again after 100 ms, growing to 500 ms (issue 3). */
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 500;
/** Worth waiting for: the upstream's port is closed, or its address not there yet. A time-out is not. */
const HOLDABLE = new Set(['ECONNREFUSED', 'ENOENT', 'EADDRNOTAVAIL', 'ESELF']);

/**
 * Dials the upstream's addresses in order, and again for up to `holdMs` while they refuse.
 * The code `ELOOP` means that every address is one of the proxy's own listeners; nothing was dialled then.
 */
export const dial = async <S>(
  upstream: Address,
  connect: Connect<S>,
  {
    holdMs,
    isOwnListener,
    signal,
  }: { holdMs: number; isOwnListener(address: Address): boolean; signal: AbortSignal },
): Promise<Dialled<S>> => {
  const giveUpAt = performance.now() + holdMs;
  let tries = 0;
  for (let waitMs = FIRST_RETRY_MS; ; waitMs = Math.min(waitMs * 1.5, LONGEST_RETRY_MS)) {
    const resolved = await resolve(upstream);
    if (!resolved.ok) return { ok: false, code: resolved.code, address: null, tries };
    const addresses = resolved.addresses.filter((address) => !isOwnListener(address));
    let code = 'ELOOP';
    for (const address of addresses) {
      tries += 1;
      const outcome = await connect(address, signal);
      if (outcome.ok) return { ...outcome, address, tries };
      code = outcome.code;
      if (signal.aborted) break;
    }
    const failed = { ok: false, code, address: addresses.at(-1) ?? null, tries } as const;
    if (signal.aborted || !HOLDABLE.has(code) || performance.now() + waitMs > giveUpAt) return failed;
    try {
      await sleep(waitMs, undefined, { signal });
    } catch {
      return failed;
    }
  }
};
