import { readFileSync } from 'node:fs';
import { until } from './until.ts';

/** What the system says of the memory of its TCP sockets. */
export interface TcpMemory {
  /** The connections so far that the system has aborted for lack of it (TCPAbortOnMemory of /proc/net/netstat). */
  aborts(): number;
  /** False while the system uses more than it wants to (tcp_mem of tcp(7)). */
  isEnough(): boolean;
}

const SYSTEM: TcpMemory = {
  aborts: () => {
    const [names = [], values = []] = readFileSync('/proc/net/netstat', 'utf8')
      .split('\n')
      .filter((line) => line.startsWith('TcpExt:'))
      .map((line) => line.split(' '));
    return Number(values[names.indexOf('TCPAbortOnMemory')]);
  },
  isEnough: () => {
    const [, used] = /^TCP: .* mem (\d+)$/m.exec(readFileSync('/proc/net/sockstat', 'utf8')) ?? [];
    const [, pressure] = readFileSync('/proc/sys/net/ipv4/tcp_mem', 'utf8').split('\t');
    return Number(used) < Number(pressure);
  },
};

const MAX_TRIES = 10;

/**
 * Tries an attempt again that has failed while the system aborted connections for lack of memory, because other programs
 * fill thousands of sockets: it then drops what a closed socket has not sent yet (tcp_check_oom of net/ipv4/tcp.c), and the
 * peer misses bytes that a proxy has delivered. Any other failure counts, and so does the last of MAX_TRIES
 * (docs/decisions.md: ADR-0061).
 */
export const withTcpMemory = async (
  attempt: () => Promise<void>,
  memory: TcpMemory = SYSTEM,
): Promise<void> => {
  for (let triesLeft = MAX_TRIES - 1; ; triesLeft -= 1) {
    const abortsBefore = memory.aborts();
    try {
      return await attempt();
    } catch (error) {
      if (triesLeft === 0 || memory.aborts() === abortsBefore) throw error;
    }
    await until(() => memory.isEnough(), 'the system has memory for TCP');
  }
};
