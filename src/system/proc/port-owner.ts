/** Who holds a port: `pid` and `command` are unknown when the process is another user's. */
export interface Holder {
  readonly pid: number | null;
  readonly command: string | null;
  readonly uid: number;
}

export const formatHolder = ({ pid, command, uid }: Holder): string =>
  pid === null ? `a process of user ${uid}` : `pid ${pid} (${command ?? 'unknown'})`;
