import { constants } from 'node:os';

/** Where two names share a number, the first one counts: EAGAIN, not EWOULDBLOCK. */
const NAME_BY_NUMBER = new Map(
  Object.entries(constants.errno)
    .reverse()
    .map(([name, number]) => [number, name]),
);
const NUMBER_BY_NAME = new Map([...NAME_BY_NUMBER].map(([number, name]) => [name, number]));

/** The name of an errno(3), such as ECONNRESET; `E` and the number where the system has no name for it. */
export const errorName = (errno: number): string => NAME_BY_NUMBER.get(errno) ?? `E${errno}`;

/** The number of an errno(3); 0 for a code that is not an error of the system, such as ESELF. */
export const errorNumber = (code: string): number => NUMBER_BY_NAME.get(code) ?? 0;
