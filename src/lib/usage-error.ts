/** Somebody's input is wrong: the message goes to stderr as it is, and the exit code is 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/** By its name: each command is a program of its own, with a class of its own (scripts/build.js). */
export const isUsageError = (error: unknown): error is UsageError =>
  error instanceof Error && error.name === 'UsageError';
