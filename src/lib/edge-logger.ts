/** Reports a failure when it begins and when it is over, however often it is seen in between. */
export interface EdgeLogger {
  failed(problem: string): void;
  succeeded(): void;
  /** What the last failure said; null while all is well. */
  problem(): string | null;
}

export interface EdgeCallbacks {
  /** The first failure; with `repeatOnChange` also one that says something else than the one before. */
  onFail(problem: string): void;
  /** The first success after a failure. Default: it is not reported. */
  onRecover?(): void;
  /** Default false. */
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
