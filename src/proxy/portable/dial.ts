import type { Address } from '../../lib/address.ts';
import { resolve } from '../../system/dns.ts';
import { FIRST_RETRY_MS, isHoldable, moreTelling, nextRetryMs } from '../dial-retry.ts';

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

/**
 * What those who wait for the same upstream share: one of them tries at a time, and when it gets through the others
 * follow at once. Each for itself, a thousand of them would dial two thousand times a second.
 */
export interface Gate {
  isTrying: boolean;
  triedAtMs: number;
  readonly wake: Set<() => void>;
}

export const createGate = (): Gate => ({
  isTrying: false,
  triedAtMs: Number.NEGATIVE_INFINITY,
  wake: new Set(),
});

export interface DialOptions {
  readonly gate: Gate;
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
  const { gate, signal } = options;
  let tried: Dialled<S> = { ok: false, code: 'ELOOP', address: null, tries: 0, holdMs: 0, connectMs: 0 };
  let isHeld = false;
  for (let waitMs = FIRST_RETRY_MS; ; waitMs = nextRetryMs(waitMs)) {
    gate.isTrying ||= isHeld;
    tried = await tryAll(upstream, connect, options, startedAt, tried.tries);
    gate.triedAtMs = performance.now();
    gate.isTrying &&= !isHeld;
    if (tried.ok) for (const wake of gate.wake) wake();
    const isOver = signal.aborted || performance.now() + waitMs - startedAt > options.holdMs;
    if (tried.ok || isOver || !isHoldable(tried.code)) return tried;
    if (!isHeld && !options.mayHold()) return tried;
    isHeld = true;
    if (!(await hasTurn(gate, waitMs, startedAt + options.holdMs, signal))) return tried;
  }
};

/** Every address once. */
const tryAll = async <S>(
  upstream: Address,
  connect: Connect<S>,
  options: DialOptions,
  startedAt: number,
  before: number,
): Promise<Dialled<S>> => {
  let [tries, holdMs, connectMs] = [before, performance.now() - startedAt, 0];
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
  return { ok: false, code, address: addresses.at(-1) ?? null, tries, holdMs, connectMs };
};

/** Waits to try again; false when the client has gone, or its hold has ended. */
const hasTurn = async (
  gate: Gate,
  waitMs: number,
  untilMs: number,
  signal: AbortSignal,
): Promise<boolean> => {
  for (;;) {
    const end = await pause(gate, waitMs, signal);
    if (end !== 'over') return end === 'woken';
    const now = performance.now();
    if (!gate.isTrying && now - gate.triedAtMs >= waitMs * 0.9) return true;
    if (now + waitMs > untilMs) return false;
  }
};

const pause = (gate: Gate, ms: number, signal: AbortSignal): Promise<'over' | 'woken' | 'aborted'> =>
  new Promise((done) => {
    const end = (how: 'over' | 'woken' | 'aborted'): void => {
      clearTimeout(timer);
      gate.wake.delete(wake);
      signal.removeEventListener('abort', abort);
      done(how);
    };
    const wake = (): void => end('woken');
    const abort = (): void => end('aborted');
    const timer = setTimeout(() => end('over'), ms);
    gate.wake.add(wake);
    signal.addEventListener('abort', abort);
    if (signal.aborted) abort();
  });

const inOrder = (
  addresses: readonly Address[],
  { isOwnListener, preferred }: DialOptions,
): readonly Address[] => {
  const dialled = addresses.filter((address) => !isOwnListener(address));
  const first = dialled.find(({ host }) => host === preferred()?.host);
  return first ? [first, ...dialled.filter((address) => address !== first)] : dialled;
};
