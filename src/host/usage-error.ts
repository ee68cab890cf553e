/** Somebody's input is wrong: the message goes to stderr as it is, and the exit code is 2. */
export class UsageError extends Error {}
