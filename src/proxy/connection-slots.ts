import type { Connection } from './engine.ts';

/** The slots of one port, and the clients that wait: for a slot, or, with a slot, for the upstream. */
export interface ConnectionSlots {
  /** Serves the connection at once while a slot is free; else it waits, first come, first served. */
  add(connection: Connection): void;
  /** Frees the connection's slot, or removes it from the queue. @returns how many connections still have a slot */
  remove(connection: Connection): number;
  /** Gives a free slot to the client that has waited longest for one. */
  serveNext(): void;
  /** True when one more client may wait for the upstream: `maxHeld` counts both kinds of waiting. */
  mayWait(): boolean;
  onWaitingChange(change: 1 | -1): void;
  /** True when one more client could neither be served nor wait. */
  isFull(): boolean;
  /** How many connections have a slot. These three are asked in each turn of the kernel engine's loop: they allocate nothing. */
  active(): number;
  waitingForUpstream(): number;
  waitingForSlot(): number;
}

export const createConnectionSlots = (maxConnections: number, maxHeld: number): ConnectionSlots => {
  const admitted = new Set<Connection>();
  const waitingForSlot = new Set<Connection>();
  let waitingForUpstream = 0;

  const mayWait = (): boolean => waitingForUpstream + waitingForSlot.size < maxHeld;

  const admit = (connection: Connection): void => {
    admitted.add(connection);
    connection.serve();
  };

  return {
    add: (connection) => {
      if (admitted.size < maxConnections) admit(connection);
      else waitingForSlot.add(connection);
    },
    remove: (connection) => {
      waitingForSlot.delete(connection);
      admitted.delete(connection);
      return admitted.size;
    },
    serveNext: () => {
      if (waitingForSlot.size === 0 || admitted.size >= maxConnections) return;
      const [next] = waitingForSlot;
      if (next && waitingForSlot.delete(next)) admit(next);
    },
    mayWait,
    onWaitingChange: (change) => {
      waitingForUpstream += change;
    },
    isFull: () => admitted.size >= maxConnections && !mayWait(),
    active: () => admitted.size,
    waitingForUpstream: () => waitingForUpstream,
    waitingForSlot: () => waitingForSlot.size,
  };
};
