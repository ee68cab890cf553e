import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { launch, stop } from '../../bench/lib/children.js';
import { freePort, waitForPort } from '../../bench/lib/ports.js';

/** A proxy waits for connections that are left open, which those of killed tests are not. */
const END_MS = 20_000;

/**
 * Opens places for the servers of a suite. A server listens at `listen`, its clients dial `dial`: the address of a proxy in
 * front of it, or the same as `listen`.
 * @param way an engine, or `direct` for no proxy, which is the control
 * @param count how many servers may be there at the same time
 * @param isUnix whether `listen` is a unix socket
 * @returns the places, and `close`, which resolves with the number of connections that the proxies have logged, and
 *   rejects when a proxy has ended by itself
 */
export const openPlaces = async (way, { count, isUnix = false }, folder) => {
  const places = [];
  const proxies = [];
  for (let index = 0; index < count; index += 1) {
    const port = await freePort();
    const listen = isUnix ? `unix:${join(folder, `${way}-${index}.sock`)}` : `localhost:${port}`;
    const proxy =
      way === 'direct' ? undefined : await startProxy(way, isUnix ? [listen] : listen.split(':'), folder);
    if (proxy) proxies.push(proxy);
    places.push({ listen, dial: proxy ? `localhost:${proxy.port}` : listen });
  }
  const close = async () => {
    const ended = proxies.map((proxy) => proxy.ended).filter((reason) => reason !== undefined);
    await Promise.all(proxies.map(endProxy));
    if (ended.length > 0) throw new Error(ended.join('\n'));
    return proxies.reduce((sum, { logPath }) => sum + connectionsIn(readFileSync(logPath, 'utf8')), 0);
  };
  return { places, close };
};

/** It logs its last connections then. */
const endProxy = async (proxy) => {
  if (proxy.ended === undefined) process.kill(proxy.pid, 'SIGTERM');
  await Promise.race([proxy.gone, sleep(END_MS, undefined, { ref: false })]);
  await stop(proxy);
};

const connectionsIn = (log) => log.split(' active\n').length - 1;

const startProxy = async (engine, upstream, folder) => {
  const port = await freePort();
  const cli = ['dist/cli.js', 'proxy', `localhost:${port}`, ...upstream, '--engine', engine];
  const proxy = launch([process.execPath, ...cli], { folder, listen: port });
  await waitForPort(proxy);
  return proxy;
};

/** @returns the port of a place's address, for programs that take host and port apart */
export const portOf = (address) => address.slice(address.lastIndexOf(':') + 1);

/** The places for an environment variable: `LISTEN=DIAL LISTEN=DIAL …` */
export const textOf = (places) => places.map(({ listen, dial }) => `${listen}=${dial}`).join(' ');
