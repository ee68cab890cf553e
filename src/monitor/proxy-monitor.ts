import { inspect } from 'node:util';
import type { ProxyView } from '../alerting/policy/proxy-view.ts';
import type { MonitorConfig, ProxyConfig } from '../config/config.ts';
import type { HealthEvent, HealthPolicy } from '../health/events.ts';
import { reduce } from '../health/reducer.ts';
import { createHealth, type Health } from '../health/state.ts';
import type { Pm2Evidence } from '../health/types.ts';
import type { ConnectionEnd } from '../ipc/client.ts';
import { formatAddress } from '../lib/address.ts';
import type { ProxyMetrics } from '../metrics/sample.ts';
import type { Pm2Event } from '../pm2/event-bus.ts';
import type { ProxyReport } from '../proxy/report.ts';
import type { Reporter } from '../status/copies.ts';
import type { CheckDetails } from '../status/evidence.ts';
import type { ProxyStatus } from '../status/snapshot.ts';
import { removeStalePidFile } from '../system/pid-file.ts';
import type { StateDir } from '../system/state-dir.ts';
import {
  type CheckResult,
  type CheckRunner,
  type CheckRunnerDeps,
  createCheckRunner,
} from './check-runner.ts';
import { type CollectorEvent, createEvidenceCollector, type EvidenceCollector } from './checks/collect.ts';
import type { ProxyRecord } from './health-store.ts';
import { createEventDebouncer, type EventDebouncer } from './pm2-events.ts';
import { createRecovery, type Recovery, type RecoveryDeps } from './recovery.ts';
import { createSchedule, needsFastChecks, type Schedule, type ScheduledTasks } from './schedule.ts';
import { alertViewOf, describeCheck, describeProxy, proxyMetricsOf } from './snapshot.ts';

/** The dependencies of a proxy's monitor. */
export interface ProxyMonitorDeps extends Omit<RecoveryDeps, 'relisten'>, CheckRunnerDeps {
  /** The machine's name. */
  readonly host: string;
  readonly monitor: MonitorConfig;
  readonly files: ReturnType<StateDir['portFiles']>;
  readonly record: ProxyRecord | undefined;
  /** True while restarts are paused, because most ports fail at once. */
  restartsPaused(): boolean;
  /** Called with the proxy's report on itself, at each check and at its end. */
  onReport(report: ProxyReport): void;
  /** Called after each check, before what follows from it. Default: nothing is. */
  onChecked?(): void;
  /** Called with each new record, which the callee stores. */
  onChange(record: ProxyRecord): void;
}

/** An event that arrives between the checks, and is not the result of one. */
type ProxyEvent = CollectorEvent | { readonly kind: 'pm2'; readonly event: Pm2Event };

/** The end of a connection, with which the process has most likely ended, too. */
interface ProcessEnd {
  readonly at: number;
  /** The process by the check before; null: unknown. */
  readonly pid: number | null;
}

/**
 * Monitors one proxy, and owns its record. The schedule runs a check, the check runner and the evidence collector gather the
 * evidence, and the result comes back as data. It is stored and reduced to actions here, which the recovery executes. An
 * event that is not the result of a check enters by `#onEvent`.
 */
export class ProxyMonitor {
  readonly id: string;
  readonly name: string;
  readonly #proxy: ProxyConfig;
  readonly #deps: ProxyMonitorDeps;
  readonly #collector: EvidenceCollector;
  readonly #checkRunner: CheckRunner;
  readonly #recovery: Recovery;
  readonly #debouncer: EventDebouncer;
  readonly #schedule: Schedule;
  /** The failures that earlier runs of the monitor have counted. */
  readonly #failuresBefore: number;
  #record: ProxyRecord;
  #lastCheck: CheckResult | undefined;
  #lastCheckAt = Date.now();
  /** The time of the upstream's last good answer; null: never yet. */
  #upstreamOkAt: number | null = null;
  /** The app's latest status by PM2, in words. */
  #pm2StatusText = 'unknown';
  /** When the process ended without a word, until PM2's list of later shows whether it crashed (wall-clock milliseconds). */
  #undecidedEnd: ProcessEnd | null = null;
  /** True when the next check was requested, so that it is urgent. */
  #isCheckRequested = false;
  #isStopped = false;
  /** Why the last check, or a step of it, failed in the monitor itself; null when none did. */
  #checkProblem: string | null = null;
  #checkErrors = 0;

  constructor(proxy: ProxyConfig, deps: ProxyMonitorDeps) {
    this.id = proxy.id;
    this.name = proxy.name;
    this.#proxy = proxy;
    this.#deps = deps;
    this.#record = deps.record ?? { health: createHealth(Date.now()), daemonPid: null };
    this.#failuresBefore = this.#record.health.failures.total;
    this.#collector = createEvidenceCollector(proxy, deps.monitor, deps.files.socket);
    this.#checkRunner = createCheckRunner(proxy, deps, this.#collector);
    this.#recovery = createRecovery(proxy, { ...deps, relisten: this.#collector.relisten });
    this.#debouncer = createEventDebouncer();
    this.#schedule = createSchedule(deps.monitor, {
      check: this.#check,
      quickCheck: this.#quickCheck,
      isUrgent: this.#isUrgent,
    });
    this.#collector.subscribe(this.#onEvent);
  }

  readonly health = (): Health => this.#record.health;

  readonly status = (): ProxyStatus =>
    describeProxy(
      this.#proxy,
      this.health(),
      this.#lastCheck?.report,
      { statusText: this.#pm2StatusText, ending: this.#debouncer.ending(this.health().incident) },
      this.#deps.monitor.failureThreshold,
    );

  readonly alertView = (supervisionCure: string | null): ProxyView =>
    alertViewOf(
      this.#proxy,
      this.health(),
      this.#lastCheck?.report,
      this.#failuresBefore,
      this.#debouncer.ending(this.health().incident),
      this.#deps.host,
      supervisionCure,
    );

  /** The process that reported in the last check; null when none did. */
  readonly reporter = (): Reporter | null => this.#lastCheck?.report.proxyReport ?? null;

  readonly metrics = (): Omit<ProxyMetrics, 'totals'> =>
    proxyMetricsOf(
      this.#proxy,
      this.health(),
      this.#lastCheck?.report,
      this.#upstreamOkAt,
      this.#checkErrors,
    );

  /** Why the last check failed in the monitor itself; null when it did not. Then nothing is known of the proxy. */
  readonly checkProblem = (): string | null =>
    this.#checkProblem === null ? null : `${this.#proxy.place}: ${this.#checkProblem}`;

  /** The details of the last check; null until the first has ended. */
  readonly lastCheck = (): CheckDetails | null =>
    this.#lastCheck ? describeCheck(this.#proxy, this.health(), this.#lastCheck) : null;

  /** False when the last check had too few open files to look. */
  readonly couldLook = (): boolean => this.#lastCheck?.report.evidence.monitor !== 'out_of_files';

  /** The end of the last check that could look, in wall-clock milliseconds. */
  readonly lastCheckAt = (): number => this.#lastCheckAt;

  /** Checks at once, including the upstream. */
  readonly checkNow = (): void => {
    this.#isCheckRequested = true;
    this.#schedule.runIn(0);
  };

  /** Restarts the proxy because the operator asks for it. Rejects with the reason why it could not be done. */
  readonly restart = async (): Promise<void> => {
    this.#recovery.ensureCanRestart();
    this.#applySoon({ kind: 'restart_requested', at: Date.now() });
    await this.#recovery.restart(this.#record);
  };

  readonly onPm2Event = (event: Pm2Event): void => this.#onEvent({ kind: 'pm2', event });

  /** An event that was missed, such as the start of an app that the list did not have yet, leaves that list out of date. */
  readonly onPm2Connected = (): void => this.onPm2Event({ app: this.name, event: 'connect', ending: null });

  readonly stop = (): void => {
    this.#isStopped = true;
    this.#schedule.stop();
    this.#collector.close();
  };

  readonly #isUrgent = (): boolean =>
    this.#undecidedEnd !== null ||
    needsFastChecks(this.health()) ||
    (this.#lastCheck?.report.evidence.stopping ?? 'no') !== 'no';

  readonly #check: ScheduledTasks['check'] = async (mode) => {
    const isUrgent = this.#isUrgent() || this.#isCheckRequested;
    this.#isCheckRequested = false;
    const errorsBefore = this.#checkErrors;
    try {
      await this.#debouncer.whenStable();
      // In the middle of a restart PM2 lists the app as stopped by an operator.
      const listNotBefore = Math.max(this.#recovery.lastActionAt(), this.#debouncer.stableAt());
      const end = this.#undecidedEnd;
      const result = await this.#checkRunner.check({ ...mode, isUrgent }, this.#record, listNotBefore);
      await this.#onCheck(result, end);
    } catch (error) {
      this.#onError(error);
    }
    if (this.#checkErrors > errorsBefore || this.#checkProblem === null) return;
    this.#checkProblem = null;
    this.#deps.log('check_recovered', `The checks of ${this.#proxy.place} work again`, {
      proxy: this.#proxy.name,
    });
  };

  readonly #quickCheck = async (): Promise<boolean> => {
    try {
      return await this.#collector.quickCheck();
    } catch (error) {
      this.#onError(error);
      return false;
    }
  };

  /** Takes an error of the monitor's own code, which is no evidence against the proxy. It is logged until it changes. */
  readonly #onError = (error: unknown): void => {
    const { message } = error as Error;
    const isNew = message !== this.#checkProblem;
    this.#checkProblem = message;
    this.#checkErrors += 1;
    if (isNew)
      this.#deps.log(
        'check_error',
        `⚠️  The monitor itself failed at the check of ${this.#proxy.place}: ${message}`,
        { proxy: this.#proxy.name, error: inspect(error) },
      );
  };

  /**
   * Stores the result of a check, and settles when the actions that follow from it are done.
   * @param end the end of a process that this check is to decide on; null: there is none
   */
  readonly #onCheck = async (result: CheckResult, end: ProcessEnd | null): Promise<void> => {
    if (this.#isStopped) return;
    const { report, endedAt, daemonPid } = result;
    if (report.evidence.monitor !== 'out_of_files') this.#lastCheckAt = endedAt;
    this.#pm2StatusText = result.pm2StatusText ?? this.#pm2StatusText;
    if (daemonPid !== null) this.#store({ ...this.#record, daemonPid });
    if (report.isOutdated) return;
    const { pid, evidence, isProbed } = report;
    const isGivenUpAnew = evidence.pm2 === 'gave_up' && this.#lastCheck?.report.evidence.pm2 !== 'gave_up';
    this.#lastCheck = result;
    this.#deps.onChecked?.();
    if (isProbed && evidence.upstream === 'ok') this.#upstreamOkAt = endedAt;
    if (removeStalePidFile(this.#deps.files.pidFile, pid))
      this.#deps.log('stale_pid', `Stale PID file found for ${this.#proxy.place}, removing...`, {
        proxy: this.#proxy.name,
      });
    if (end === null && isGivenUpAnew) return this.#onEnd();
    if (end !== null) {
      if (result.pm2StatusText === null) return;
      this.#undecidedEnd = null;
      // The check is left out then: it would count the same end once more.
      // A process that still answers has closed a connection, to make room for another client.
      const isAlive = evidence.heartbeat === 'ok' && pid !== null && pid === end.pid;
      if (!isAlive && !isEndExplained(evidence.pm2)) return this.#apply({ kind: 'crash', at: end.at });
    }
    const { listenProblem, listenAdvice, startProblem, startAdvice } = report;
    const texts = { listenProblem, listenAdvice, startProblem, startAdvice };
    await this.#apply({ kind: 'check', at: endedAt, pid, evidence, isProbed, ...texts });
  };

  /** Leaves the end of a process, which may be a crash, to the first check that can know. */
  readonly #onEnd = (): void => {
    this.#undecidedEnd ??= { at: Date.now(), pid: this.#lastCheck?.report.pid ?? null };
    this.#schedule.runIn(this.#debouncer.onEnd());
  };

  readonly #onEvent = (event: ProxyEvent): void => {
    try {
      this.#handleEvent(event);
    } catch (error) {
      this.#onError(error);
    }
  };

  readonly #handleEvent = (event: ProxyEvent): void => {
    switch (event.kind) {
      case 'report':
        this.#deps.onReport(event.report);
        return;
      case 'monitor_error':
        this.#onError(event.error);
        return;
      case 'probe_ended':
        this.#schedule.runIn(0);
        return;
      case 'shutdown_announced':
        if (!this.#recovery.isActing() && !this.#isStopped)
          this.#applySoon({ kind: 'shutdown_announced', at: Date.now() });
        return;
      case 'connection_ended':
        this.#onConnectionEnded(event.end);
        return;
      case 'pm2': {
        const isCheckDue = this.#isUrgent() || this.#recovery.isActing();
        const checkInMs = this.#debouncer.onEvent(event.event, isCheckDue);
        if (checkInMs !== null) this.#schedule.runIn(checkInMs);
      }
    }
  };

  readonly #onConnectionEnded = (end: ConnectionEnd): void => {
    // An announced shutdown counts also while PM2 stops the proxy: for a moment PM2 then shows it as one that it gave up.
    const isKnown = end === 'unexpected' && this.health().state === 'stopped';
    if (this.#recovery.isActing() || this.#isStopped || isKnown) return;
    if (end === 'unexpected') return this.#onEnd();
    this.#applySoon({ kind: 'shutdown_announced', at: Date.now() });
    this.#schedule.runWithin(this.#deps.monitor.fastIntervalMs);
  };

  readonly #applySoon = (event: HealthEvent): void => void this.#apply(event).catch(this.#onError);

  /** Reduces the event, stores the new record, and executes the actions. The outcome of a remedy is the next event. */
  readonly #apply = async (event: HealthEvent): Promise<void> => {
    const policy = healthPolicyOf(this.#proxy, this.#deps.monitor, this.#deps.restartsPaused());
    const { health, actions } = reduce(this.health(), event, policy);
    this.#store({ ...this.#record, health });
    for (const action of actions) {
      const nextEvent = await this.#recovery.execute(action, this.#record);
      if (nextEvent) await this.#apply(nextEvent);
    }
  };

  readonly #store = (record: ProxyRecord): void => {
    const { health, daemonPid } = this.#record;
    this.#record = record;
    if (record.health !== health || record.daemonPid !== daemonPid) this.#deps.onChange(record);
  };
}

/**
 * True when PM2's list explains why a process ended: the operator stops the app, or has stopped or deleted it (a proxy that
 * hangs cannot announce its shutdown), or PM2 has given it up.
 */
const isEndExplained = (pm2: Pm2Evidence): boolean =>
  ['stopping', 'stopped', 'deleted', 'gave_up'].includes(pm2);

/** The part of the config that the reducer needs. */
export const healthPolicyOf = (
  { place, upstream, optional }: ProxyConfig,
  monitor: MonitorConfig,
  restartsPaused: boolean,
): HealthPolicy => ({ ...monitor, place, upstream: formatAddress(upstream), optional, restartsPaused });
