/**
 * The rooms of src/ as floors, low to high: a room imports from itself and from the rooms before it, never from one after
 * it. `packages` are the npm packages that a room may import. A pure room does no I/O, so it imports no `node:` module.
 * A room that is listed and not there yet is still to come. `npm run generate` makes biome.floors.json from this list; docs/architecture.md explains it.
 */
export const FLOORS = [
  { room: 'lib', isPure: true, packages: [] },
  { room: 'kinds', isPure: true, packages: ['valibot'] },
  { room: 'libc', isPure: false, packages: ['koffi'] },
  { room: 'health', isPure: true, packages: [] },
  { room: 'config', isPure: false, packages: ['dotenv', 'valibot'] },
  { room: 'diagnosis', isPure: true, packages: [] },
  { room: 'status', isPure: true, packages: [] },
  { room: 'system', isPure: false, packages: [] },
  { room: 'logging', isPure: false, packages: [] },
  { room: 'keeper', isPure: false, packages: [] },
  { room: 'proxy', isPure: false, packages: [] },
  { room: 'ipc', isPure: false, packages: [] },
  { room: 'pm2', isPure: false, packages: [] },
  { room: 'history', isPure: false, packages: [] },
  { room: 'alerting', isPure: false, packages: [] },
  { room: 'metrics', isPure: false, packages: ['prom-client'] },
  { room: 'http', isPure: false, packages: [] },
  { room: 'monitor', isPure: false, packages: ['@pm2/io'] },
  { room: 'explain', isPure: false, packages: [] },
  { room: 'service', isPure: false, packages: [] },
  { room: 'commands', isPure: false, packages: ['minimist', 'picocolors'] },
];

/** Folders of a room that are pure although the room is not. */
export const PURE_FOLDERS = [{ room: 'alerting', folder: 'policy' }];

/** Folders of src/ are at most so many levels deep below their room. */
export const DEPTH = 3;
