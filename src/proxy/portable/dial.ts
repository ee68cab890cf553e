import type { Address } from '../../lib/address.ts';
import { resolveAddress } from '../../system/dns.ts';
import { FIRST_RETRY_DELAY_MS, isRetryable, moreDecisiveCode, nextRetryDelayMs } from '../dial-retry.ts';

/** A connection to one address: it settles within the connect time-out, with the system's code when it fails. */
export type Connect<S> = (address: Address, signal: AbortSignal) => Promise<ConnectResult<S>>;
export type ConnectResult<S> =
  | { readonly ok: true; readonly socket: S }
  | { readonly ok: false; readonly code: string };

export type DialResult<S> = (
  | { readonly ok: true; readonly socket: S; readonly address: Address }
  /** `address` is the one tried last; null when none was. */
  | { readonly ok: false; readonly code: string; readonly address: Address | null }
) & {
  readonly tries: number;
  /** From the call to the last try, and what that try took. */
  readonly holdMs: number;
  readonly connectMs: number;
};

/**
 * What those who wait for the same upstream share: one of them tries at a time, and when it gets through the others
 * follow at once. Each for itself, a thousand of them would dial two thousand times a second.
 */
export interface RetryGate {
  isDialing: boolean;
  lastTriedAt: number;
  readonly wakers: Set<() => void>;
}

export const createRetryGate = (): RetryGate => ({
  isDialing: false,
  lastTriedAt: Number.NEGATIVE_INFINITY,
  wakers: new Set(),
});

export interface DialOptions {
  readonly gate: RetryGate;
  readonly holdMs: number;
  readonly signal: AbortSignal;
  isOwnListener(address: Address): boolean;
  /** The address to try first, of those that the name has: the one that answered last. */
  preferredAddress(): Address | undefined;
  /** Each failed try at an address. */
  onConnectFailure(code: string): void;
  /** Before the first wait; false when there is no place to wait in, and the dial fails at once. */
  mayWait(): boolean;
}

/**
 * Dials the upstream's addresses in order, and again for up to `holdMs` while they refuse; a time-out is not
 * waited for. `ELOOP` means that every address is one of the proxy's own listeners; nothing was dialled then.
 */
export const dial = async <S>(
  upstream: Address,
  connect: Connect<S>,
  options: DialOptions,
): Promise<DialResult<S>> => {
  const startedAt = performance.now();
  const { gate, signal } = options;
  let result: DialResult<S> = { ok: false, code: 'ELOOP', address: null, tries: 0, holdMs: 0, connectMs: 0 };
  let isWaiting = false;
  for (let waitMs = FIRST_RETRY_DELAY_MS; ; waitMs = nextRetryDelayMs(waitMs)) {
    gate.isDialing ||= isWaiting;
    result = await tryAllAddresses(upstream, connect, options, startedAt, result.tries);
    gate.lastTriedAt = performance.now();
    gate.isDialing &&= !isWaiting;
    if (result.ok) for (const wake of gate.wakers) wake();
    const isExpired = signal.aborted || performance.now() + waitMs - startedAt > options.holdMs;
    if (result.ok || isExpired || !isRetryable(result.code)) return result;
    if (!isWaiting && !options.mayWait()) return result;
    isWaiting = true;
    if (!(await waitForTurn(gate, waitMs, startedAt + options.holdMs, signal))) return result;
  }
};

/** Every address once. */
const tryAllAddresses = async <S>(
  upstream: Address,
  connect: Connect<S>,
  options: DialOptions,
  startedAt: number,
  previousTries: number,
): Promise<DialResult<S>> => {
  let [tries, holdMs, connectMs] = [previousTries, performance.now() - startedAt, 0];
  const resolved = await resolveAddress(upstream);
  if (!resolved.ok) return { ok: false, code: resolved.code, address: null, tries, holdMs, connectMs };
  const addresses = orderAddresses(resolved.addresses, options);
  let code = 'ELOOP';
  for (const address of addresses) {
    tries += 1;
    const triedAt = performance.now();
    holdMs = triedAt - startedAt;
    const outcome = await connect(address, options.signal);
    connectMs = performance.now() - triedAt;
    if (outcome.ok) return { ...outcome, address, tries, holdMs, connectMs };
    options.onConnectFailure(outcome.code);
    code = moreDecisiveCode(code, outcome.code);
    if (options.signal.aborted) break;
  }
  return { ok: false, code, address: addresses.at(-1) ?? null, tries, holdMs, connectMs };
};

/** Waits to try again; false when the client has gone, or its hold has ended. */
const waitForTurn = async (
  gate: RetryGate,
  waitMs: number,
  deadlineAt: number,
  signal: AbortSignal,
): Promise<boolean> => {
  for (;;) {
    const outcome = await waitOrWake(gate, waitMs, signal);
    if (outcome !== 'over') return outcome === 'woken';
    const now = performance.now();
    if (!gate.isDialing && now - gate.lastTriedAt >= waitMs * 0.9) return true;
    if (now + waitMs > deadlineAt) return false;
  }
};

const waitOrWake = (
  gate: RetryGate,
  delayMs: number,
  signal: AbortSignal,
): Promise<'over' | 'woken' | 'aborted'> =>
  new Promise((done) => {
    const settle = (outcome: 'over' | 'woken' | 'aborted'): void => {
      clearTimeout(timer);
      gate.wakers.delete(wake);
      signal.removeEventListener('abort', abort);
      done(outcome);
    };
    const wake = (): void => settle('woken');
    const abort = (): void => settle('aborted');
    const timer = setTimeout(() => settle('over'), delayMs);
    gate.wakers.add(wake);
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
  });

const orderAddresses = (
  addresses: readonly Address[],
  { isOwnListener, preferredAddress }: DialOptions,
): readonly Address[] => {
  const candidates = addresses.filter((address) => !isOwnListener(address));
  const first = candidates.find(({ host }) => host === preferredAddress()?.host);
  return first ? [first, ...candidates.filter((address) => address !== first)] : candidates;
};
