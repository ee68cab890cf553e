import { setTimeout as sleep } from 'node:timers/promises';
import type { Address } from '../core/address.ts';
import { resolve } from '../host/resolve.ts';

/** A connection to one address: it settles within the connect time-out, with the system's code when it fails. */
export type Connect<S> = (address: Address, signal: AbortSignal) => Promise<Connected<S>>;
export type Connected<S> =
  | { readonly ok: true; readonly socket: S }
  | { readonly ok: false; readonly code: string };

export type Dialled<S> = (
  | { readonly ok: true; readonly socket: S; readonly address: Address }
  /** `address` is the one tried last; null when none was. */
  | { readonly ok: false; readonly code: string; readonly address: Address | null }
) & {
  readonly tries: number;
  /** From the call to the last try, and what that try took. */
  readonly holdMs: number;
  readonly connectMs: number;
};

export interface DialOptions {
  readonly holdMs: number;
  readonly signal: AbortSignal;
  isOwnListener(address: Address): boolean;
  /** The address to try first, of those that the name has: the one that answered last. */
  preferred(): Address | undefined;
  /** Each failed try at an address. */
  onFailure(code: string): void;
  /** Before the first wait; false when there is no place to wait in, and the dial fails at once. */
  mayHold(): boolean;
}

/** Hold: again after 100 ms, growing to 500 ms: an upstream back after 1.5 s serves its clients by about 2 s. */
const FIRST_RETRY_MS = 100;
const LONGEST_RETRY_MS = 500;
/**
 * Worth waiting for: the upstream's port is closed, its address or socket file not there yet, or its unix socket's
 * queue full (EAGAIN, connect(2)).
 */
const HOLDABLE = new Set(['ECONNREFUSED', 'ENOENT', 'EAGAIN', 'EADDRNOTAVAIL', 'ESELF']);

/**
 * Dials the upstream's addresses in order, and again for up to `holdMs` while they refuse; a time-out is not
 * waited for. `ELOOP` means that every address is one of the proxy's own listeners; nothing was dialled then.
 */
export const dial = async <S>(
  upstream: Address,
  connect: Connect<S>,
  options: DialOptions,
): Promise<Dialled<S>> => {
  const startedAt = performance.now();
  let [tries, holdMs, connectMs] = [0, 0, 0];
  let isHeld = false;
  for (let waitMs = FIRST_RETRY_MS; ; waitMs = Math.min(waitMs * 1.5, LONGEST_RETRY_MS)) {
    const resolved = await resolve(upstream);
    if (!resolved.ok) return { ok: false, code: resolved.code, address: null, tries, holdMs, connectMs };
    const addresses = inOrder(resolved.addresses, options);
    let code = 'ELOOP';
    for (const address of addresses) {
      tries += 1;
      const triedAt = performance.now();
      holdMs = triedAt - startedAt;
      const outcome = await connect(address, options.signal);
      connectMs = performance.now() - triedAt;
      if (outcome.ok) return { ...outcome, address, tries, holdMs, connectMs };
      options.onFailure(outcome.code);
      code = moreTelling(code, outcome.code);
      if (options.signal.aborted) break;
    }
    const failed = { ok: false, code, address: addresses.at(-1) ?? null, tries, holdMs, connectMs } as const;
    const isOver = options.signal.aborted || performance.now() + waitMs - startedAt > options.holdMs;
    if (isOver || !HOLDABLE.has(code)) return failed;
    if (!isHeld && !options.mayHold()) return failed;
    isHeld = true;
    if (!(await waited(waitMs, options.signal))) return failed;
  }
};

const inOrder = (
  addresses: readonly Address[],
  { isOwnListener, preferred }: DialOptions,
): readonly Address[] => {
  const dialled = addresses.filter((address) => !isOwnListener(address));
  const first = dialled.find(({ host }) => host === preferred()?.host);
  return first ? [first, ...dialled.filter((address) => address !== first)] : dialled;
};

/** Of the addresses' codes: a time-out forbids to hold, a refusal says that the host is there. */
const TELLING = ['ETIMEDOUT', 'ECONNREFUSED'];
const moreTelling = (before: string, now: string): string =>
  TELLING.find((code) => code === before || code === now) ?? now;

const waited = async (ms: number, signal: AbortSignal): Promise<boolean> => {
  try {
    await sleep(ms, undefined, { signal });
    return true;
  } catch {
    return false;
  }
};
