import type { EventEmitter } from 'node:events';
import { needsPeer, peerPath } from '../requirements.ts';

/** The part of https://github.com/websockets/ws that the tests use: the package has no types. */
interface Module {
  readonly WebSocket: new (url: string, protocol?: string, options?: { origin: string }) => WebSocket;
  readonly WebSocketServer: new (options: { host: string; port: number }) => WebSocketServer;
}

/** Emits open; message (Buffer); pong (Buffer); close (number, Buffer). */
export interface WebSocket extends EventEmitter {
  send(data: Buffer | string): void;
  ping(data: string): void;
  close(code?: number, reason?: string): void;
  terminate(): void;
}

/** Emits listening; connection (WebSocket, IncomingMessage). */
interface WebSocketServer extends EventEmitter {
  readonly clients: ReadonlySet<WebSocket>;
  address(): { readonly port: number };
  close(): void;
}

export const needsWs = (): string | undefined => needsPeer('ws');

export const loadWs = async (): Promise<Module> => await import(peerPath('ws', 'wrapper.mjs'));
