import { constants } from 'node:os';

/** Of two names for one number the first: EAGAIN, not EWOULDBLOCK. */
const NAMES = new Map(
  Object.entries(constants.errno)
    .reverse()
    .map(([name, number]) => [number, name]),
);
const NUMBERS = new Map([...NAMES].map(([number, name]) => [name, number]));

/** "ECONNRESET" */
export const errorName = (number: number): string => NAMES.get(number) ?? `E${number}`;

/** 0 for what is no error of the system's. */
export const errorNumber = (name: string): number => NUMBERS.get(name) ?? 0;
