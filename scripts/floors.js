/**
 * The rooms of src/ as floors, low to high. A room imports from itself and from the rooms before it, never from a room after
 * it. `packages` are the npm packages that a room may import. A pure room does no I/O, so it imports no `node:` module. A
 * room of the list that does not exist is planned. `npm run generate` makes biome.floors.json from this list;
 * docs/architecture.md explains it.
 */
export const FLOORS = [
  { room: 'lib', isPure: true, packages: ['valibot'] },
  { room: 'kinds', isPure: true, packages: ['valibot'] },
  { room: 'libc', isPure: false, packages: ['koffi'] },
  { room: 'health', isPure: true, packages: ['valibot'] },
  { room: 'config', isPure: false, packages: ['dotenv', 'jsonc-parser', 'valibot'] },
  { room: 'diagnosis', isPure: true, packages: [] },
  { room: 'status', isPure: true, packages: [] },
  { room: 'system', isPure: false, packages: ['valibot'] },
  { room: 'release', isPure: false, packages: [] },
  { room: 'logging', isPure: false, packages: [] },
  { room: 'keeper', isPure: false, packages: [] },
  { room: 'proxy', isPure: false, packages: ['valibot'] },
  { room: 'ipc', isPure: false, packages: [] },
  { room: 'pm2', isPure: false, packages: [] },
  { room: 'history', isPure: false, packages: [] },
  { room: 'alerting', isPure: false, packages: ['nodemailer', 'valibot'] },
  { room: 'metrics', isPure: false, packages: ['prom-client', 'valibot'] },
  { room: 'http', isPure: false, packages: [] },
  { room: 'monitor', isPure: false, packages: ['@pm2/io', 'valibot'] },
  { room: 'explain', isPure: false, packages: [] },
  { room: 'service', isPure: false, packages: [] },
  { room: 'commands', isPure: false, packages: ['minimist', 'picocolors'] },
];

/** The pure folders of rooms that are not pure. */
export const PURE_FOLDERS = [
  { room: 'alerting', folder: 'policy' },
  { room: 'proxy', folder: 'connection' },
];

/** How many levels of folders a room of src/ has at most, itself included. */
export const DEPTH = 3;
