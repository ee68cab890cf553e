/** Reports a failure once when it begins and once when it is over, however often it is repeated in between. */
export interface EdgeLogger {
  /** Records a failure with this problem. */
  failed(problem: string): void;
  /** Records a success. */
  succeeded(): void;
  /** The problem of the last failure; null after a success, and before the first call. */
  problem(): string | null;
}

export interface EdgeCallbacks {
  /** Called at the first failure; with `repeatOnChange` also at one with another problem than the one before. */
  onFail(problem: string): void;
  /** Called at the first success after a failure. Default: a success is not reported. */
  onRecover?(): void;
  /** True: a new problem is reported in the middle of a failure, too. Default: false. */
  readonly repeatOnChange?: boolean;
}

export const createEdgeLogger = ({
  onFail,
  onRecover,
  repeatOnChange = false,
}: EdgeCallbacks): EdgeLogger => {
  let current: string | null = null;
  return {
    failed: (problem) => {
      const isNew = current === null || (repeatOnChange && problem !== current);
      current = problem;
      if (isNew) onFail(problem);
    },
    succeeded: () => {
      const wasFailing = current !== null;
      current = null;
      if (wasFailing) onRecover?.();
    },
    problem: () => current,
  };
};
