import { type Address, formatAddress } from '../../lib/address.ts';
import { createDebug } from '../../system/debug.ts';
import { resolveAddress } from '../../system/dns.ts';
import { FIRST_RETRY_DELAY_MS, isRetryable, moreDecisiveCode, nextRetryDelayMs } from '../dial-retry.ts';
import { type RetryGate, waitForTurn } from './retry-gate.ts';

const debug = createDebug('dial');

/** Connects to one address. Settles within the connect time-out, with the system's error code when it fails. */
export type Connect<S> = (address: Address, signal: AbortSignal) => Promise<ConnectResult<S>>;
export type ConnectResult<S> =
  | { readonly ok: true; readonly socket: S }
  | { readonly ok: false; readonly code: string };

export type DialResult<S> = (
  | { readonly ok: true; readonly socket: S; readonly address: Address }
  /** `address` is the one that was tried last; null when none was tried. */
  | { readonly ok: false; readonly code: string; readonly address: Address | null }
) & {
  readonly tries: number;
  /** From the call to the start of the last try at an address. */
  readonly holdMs: number;
  /** The duration of that try. */
  readonly connectMs: number;
};

export interface DialOptions {
  readonly gate: RetryGate;
  readonly holdMs: number;
  readonly signal: AbortSignal;
  isOwnListener(address: Address): boolean;
  /** The address that answered last: it is tried first if the name still has it. */
  preferredAddress(): Address | undefined;
  /** Called for each failed try at an address. */
  onConnectFailure(code: string): void;
  /** Called before the first wait. False when no more clients may wait; the dial then fails at once. */
  mayWait(): boolean;
}

/**
 * Dials the upstream's addresses in order, and again for up to `holdMs` while they fail with a retryable code; a time-out
 * is not retried. `ELOOP` means that every address is one of the proxy's own listeners, and that nothing was dialled.
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

/** Tries every address once, the proxy's own listeners left out. */
const tryAllAddresses = async <S>(
  upstream: Address,
  connect: Connect<S>,
  options: DialOptions,
  startedAt: number,
  previousTries: number,
): Promise<DialResult<S>> => {
  let tries = previousTries;
  let holdMs = performance.now() - startedAt;
  let connectMs = 0;
  const resolved = await resolveAddress(upstream);
  if (!resolved.ok) {
    debug('%s cannot be resolved: %s', upstream.host, resolved.code);
    return { ok: false, code: resolved.code, address: null, tries, holdMs, connectMs };
  }
  const addresses = orderAddresses(resolved.addresses, options);
  let code = 'ELOOP';
  for (const address of addresses) {
    tries += 1;
    const triedAt = performance.now();
    holdMs = triedAt - startedAt;
    const outcome = await connect(address, options.signal);
    connectMs = performance.now() - triedAt;
    debug('try %d: %s: %s', tries, formatAddress(address), outcome.ok ? 'connected' : outcome.code);
    if (outcome.ok) return { ...outcome, address, tries, holdMs, connectMs };
    options.onConnectFailure(outcome.code);
    code = moreDecisiveCode(code, outcome.code);
    if (options.signal.aborted) break;
  }
  return { ok: false, code, address: addresses.at(-1) ?? null, tries, holdMs, connectMs };
};

/** The addresses to dial: the proxy's own listeners left out, the preferred address first. */
const orderAddresses = (
  addresses: readonly Address[],
  { isOwnListener, preferredAddress }: DialOptions,
): readonly Address[] => {
  const candidates = addresses.filter((address) => !isOwnListener(address));
  const first = candidates.find(({ host }) => host === preferredAddress()?.host);
  return first ? [first, ...candidates.filter((address) => address !== first)] : candidates;
};
