/**
 * The errors of a process or a machine that is out of files or memory (open(2), socket(2)). What fails with one of them was not
 * tried, and proves nothing about anything else.
 */
const OWN_LIMITS: readonly (string | undefined)[] = ['EMFILE', 'ENFILE', 'ENOBUFS', 'ENOMEM'];

export const isOwnLimit = (code: string | undefined): boolean => OWN_LIMITS.includes(code);
