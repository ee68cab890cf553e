// Loaded before a test of Node.js. A server that listens on any port gets a place, and says that it has the port to dial.
'use strict';
const { isPrimary } = require('node:cluster');
const { Server, _normalizeArgs: normalizeArgs } = require('node:net');

const portOf = (address) => Number(address.split(':').at(-1));
const free = process.env.STEADYPORT_PLACES.split(' ').map((place) => {
  const [listen, dial] = place.split('=').map(portOf);
  return { listen, dial };
});
/** The addresses that include a loopback address, to which proxies dial. */
const HOSTS = [undefined, '', 'localhost', '127.0.0.1', '0.0.0.0', '::'];
const taken = new WeakMap();
const { listen, address } = Server.prototype;

const isForAnyPort = ([first], { path, fd, port, host }) =>
  (typeof first === 'number' || first?.constructor === Object) &&
  path === undefined &&
  fd === undefined &&
  port === 0 &&
  HOSTS.includes(host);

Server.prototype.listen = function (...args) {
  const [options, callback] = normalizeArgs(args);
  if (!isPrimary || free.length === 0 || !isForAnyPort(args, options))
    return Reflect.apply(listen, this, args);
  const place = free.shift();
  taken.set(this, place);
  this.once('close', () => {
    taken.delete(this);
    free.push(place);
  });
  const placed = { ...options, port: place.listen };
  return Reflect.apply(listen, this, callback === null ? [placed] : [placed, callback]);
};

Server.prototype.address = function () {
  const own = Reflect.apply(address, this, []);
  return taken.has(this) && own !== null ? { ...own, port: taken.get(this).dial } : own;
};
