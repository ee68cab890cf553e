/** The user's input is wrong. The command prints the message as it is, without a stack, and exits with code 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError';
}

/**
 * Compares the name, not the class: each command is built as a program of its own, with its own copy of the class
 * (scripts/build.js).
 */
export const isUsageError = (error: unknown): error is UsageError =>
  error instanceof Error && error.name === 'UsageError';
