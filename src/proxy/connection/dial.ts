import { type Address, formatAddress } from '../../lib/address.ts';
import type { Timer, Timers } from '../../lib/timers/timer-heap.ts';
import type { ConnectionContext } from '../admission.ts';
import type { RetryGate, Waiter } from './retry-gate.ts';
import { isRetryable, moreDecisiveCode } from './retry-policy.ts';
import type { AddressWaiter, Candidate, UpstreamAddresses } from './upstream-addresses.ts';

/** What the dials of a port share. */
export interface DialContext<C extends Candidate> {
  readonly timers: Timers;
  readonly gate: RetryGate;
  readonly upstreamAddresses: UpstreamAddresses<C>;
  /** The debug log of dials: a format and its values (util.format); undefined while it is off. */
  readonly logDial: ((message: string, ...values: readonly (string | number)[]) => void) | undefined;
}

/** The connection for which a dial is made. */
export interface DialOwner {
  /** The dial has failed for good, with a code of the system or of the resolver, ELOOP or ESELF. */
  onConnectFailed(code: string): void;
  /** Called before the first wait for the upstream; false when the client has left. */
  mayWait(): boolean;
}

/**
 * Dials the upstream until a connection is made or given up: all addresses in turn, and again for up to `holdMs` while they
 * fail with a retryable code. An engine's subclass connects, and hands the connection over. `ELOOP` means that every address
 * is one of the proxy's own listeners, and that nothing was dialled; `ESELF` that the socket has connected to itself.
 */
export abstract class Dial<C extends Candidate> implements Timer, Waiter, AddressWaiter {
  dueAt = 0;
  heapIndex = -1;
  /** These four are fields of the connection's record. */
  attempts = 0;
  holdMs = 0;
  connectMs = 0;
  address: Address | null = null;
  protected readonly context: ConnectionContext;
  readonly #shared: DialContext<C>;
  readonly #owner: DialOwner;
  readonly #startedAt: number;
  #attemptedAt = 0;
  #candidates: readonly C[] = [];
  #nextIndex = 0;
  /** The code of the last round that was not cut short by the end of the hold, and of the round that is running. */
  #code = 'EAI_AGAIN';
  #roundCode = 'ELOOP';
  #isWaitingForUpstream = false;
  #isRoundRunning = false;
  #isAttemptRunning = false;
  #isFinished = false;

  constructor(shared: DialContext<C>, context: ConnectionContext, owner: DialOwner) {
    this.#shared = shared;
    this.context = context;
    this.#owner = owner;
    this.#startedAt = shared.timers.now;
  }

  /** Starts an attempt at an address. @returns the system's error code when it has failed at once */
  protected abstract connect(candidate: C): string | undefined;
  /** Gives up the attempt that is under way. */
  protected abstract disconnect(): void;
  /** Gives the connection that was made to the owner. */
  protected abstract handOver(address: Address): void;

  get isWaitingForUpstream(): boolean {
    return this.#isWaitingForUpstream;
  }

  /** Starts a round, which tries every address once; does nothing while a round is running. */
  retry(): void {
    if (this.#isRoundRunning || this.#isFinished) return;
    this.#isRoundRunning = true;
    const { upstreamAddresses, timers } = this.#shared;
    const found = upstreamAddresses.get(timers.now, this);
    // The lookup may take as long as the name servers like.
    if (found === undefined)
      return timers.setDeadline(this, Math.max(this.#attemptEndsAt(), this.#holdEndsAt));
    this.#roundCode = 'code' in found ? found.code : 'ELOOP';
    this.#candidates = 'code' in found ? [] : orderCandidates(found, this.context);
    this.#nextIndex = 0;
    this.#connectNext();
  }

  restart(): void {
    if (this.#isAttemptRunning) {
      this.#endAttempt();
      this.#isRoundRunning = false;
    }
    this.retry();
  }

  onAddresses(): void {
    this.#isRoundRunning = false;
    this.retry();
  }

  /** Ends the dial without a call of its owner, because the connection has ended. */
  cancel(): void {
    if (this.#isFinished) return;
    this.#finish();
    this.#endAttempt();
  }

  /** The time of the attempt, of the lookup or of the hold is over. */
  onDue(): void {
    const isHoldOver = this.#isWaitingForUpstream && this.#shared.timers.now >= this.#holdEndsAt;
    if (this.#isAttemptRunning && !isHoldOver) return this.onAttemptFailed('ETIMEDOUT');
    this.#endAttempt();
    this.#giveUp();
  }

  /** To be called by the subclass when the attempt under way has made a connection. */
  protected onAttemptSucceeded(): void {
    const { gate, timers, logDial } = this.#shared;
    const { address } = this;
    if (address === null) return;
    this.#isAttemptRunning = false;
    this.connectMs = timers.now - this.#attemptedAt;
    logDial?.('connected to %s in %d ms', formatAddress(address), Math.round(this.connectMs));
    this.#finish();
    this.handOver(address);
    gate.open();
  }

  /** To be called by the subclass when the attempt under way has failed. */
  protected onAttemptFailed(code: string): void {
    this.connectMs = this.#shared.timers.now - this.#attemptedAt;
    this.#endAttempt();
    this.#recordFailure(code);
    this.#connectNext();
  }

  get #holdEndsAt(): number {
    return this.#startedAt + this.context.policy.holdMs;
  }

  #connectNext(): void {
    while (this.#nextIndex < this.#candidates.length) {
      const candidate = this.#candidates[this.#nextIndex];
      this.#nextIndex += 1;
      if (candidate && this.#startAttempt(candidate)) return;
    }
    this.#onRoundFailed();
  }

  /** @returns false when the attempt has failed at once */
  #startAttempt(candidate: C): boolean {
    const { timers, logDial } = this.#shared;
    this.attempts += 1;
    this.address = candidate.address;
    this.#attemptedAt = timers.now;
    this.holdMs = timers.now - this.#startedAt;
    logDial?.('connecting to %s, attempt %d', formatAddress(candidate.address), this.attempts);
    const code = this.connect(candidate);
    if (code !== undefined) {
      this.#recordFailure(code);
      return false;
    }
    this.#isAttemptRunning = true;
    timers.setDeadline(this, this.#attemptEndsAt());
    return true;
  }

  /** The first round may outlast the hold; a later one ends with it. */
  #attemptEndsAt(): number {
    const endsAt = this.#shared.timers.now + this.context.policy.connectTimeoutMs;
    return this.#isWaitingForUpstream ? Math.min(endsAt, this.#holdEndsAt) : endsAt;
  }

  #recordFailure(code: string): void {
    this.#shared.logDial?.('attempt %d failed: %s', this.attempts, code);
    this.context.onConnectFailure(code);
    this.#roundCode = moreDecisiveCode(this.#roundCode, code);
  }

  #onRoundFailed(): void {
    const { timers, gate, upstreamAddresses, logDial } = this.#shared;
    this.#isRoundRunning = false;
    this.#code = this.#roundCode;
    upstreamAddresses.onUnanswered();
    const leftMs = this.#holdEndsAt - timers.now;
    if (!isRetryable(this.#code) || leftMs <= 0) return this.#giveUp();
    if (!this.#isWaitingForUpstream && !(this.#owner.mayWait() && this.context.mayWait()))
      return this.#giveUp();
    timers.setDeadline(this, this.#holdEndsAt);
    if (this.#isWaitingForUpstream) return gate.onFailed(this);
    this.#isWaitingForUpstream = true;
    logDial?.('waiting for the upstream (%s), %d ms at most', this.#code, Math.round(leftMs));
    this.context.onWaitingChange(1);
    gate.add(this);
  }

  #giveUp(): void {
    if (this.#isFinished) return;
    this.#shared.logDial?.('gave up: %s, attempts: %d', this.#code, this.attempts);
    this.#finish();
    this.#owner.onConnectFailed(this.#code);
  }

  #endAttempt(): void {
    if (this.#isAttemptRunning) this.disconnect();
    this.#isAttemptRunning = false;
  }

  #finish(): void {
    this.#isFinished = true;
    const { timers, gate, upstreamAddresses } = this.#shared;
    timers.clearDeadline(this);
    if (this.#isRoundRunning) upstreamAddresses.forget(this);
    if (!this.#isWaitingForUpstream) return;
    this.#isWaitingForUpstream = false;
    this.context.onWaitingChange(-1);
    gate.remove(this);
  }
}

/** Leaves out the proxy's own listeners, and moves the address that answered last to the front. */
const orderCandidates = <C extends Candidate>(
  candidates: readonly C[],
  context: ConnectionContext,
): readonly C[] => {
  const [only] = candidates;
  if (only && candidates.length === 1 && !context.isOwnListener(only.address)) return candidates;
  const others = candidates.filter(({ address }) => !context.isOwnListener(address));
  const preferred = context.preferredAddress();
  const index = preferred ? others.findIndex(({ address }) => address.host === preferred.host) : -1;
  const [first] = index > 0 ? others.splice(index, 1) : [];
  return first ? [first, ...others] : others;
};
