import { constants } from 'node:os';

/** Of two names for one number the first: EAGAIN, not EWOULDBLOCK. */
const NAME_BY_NUMBER = new Map(
  Object.entries(constants.errno)
    .reverse()
    .map(([name, number]) => [number, name]),
);
const NUMBER_BY_NAME = new Map([...NAME_BY_NUMBER].map(([number, name]) => [name, number]));

/** "ECONNRESET" */
export const errorName = (errno: number): string => NAME_BY_NUMBER.get(errno) ?? `E${errno}`;

/** 0 for what is no error of the system's. */
export const errorNumber = (code: string): number => NUMBER_BY_NAME.get(code) ?? 0;
