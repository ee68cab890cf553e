import { DEPTH, FLOORS, PURE_FOLDERS } from '../floors.js';
import { readProjectFile } from './sources.js';

const PACKAGES = Object.keys(JSON.parse(readProjectFile('package.json')).dependencies);

/** Biome's rules for the floors: the imports that are forbidden in each room. */
export const makeFloorRules = () => {
  const rules = FLOORS.map((floor, level) => makeRule(`src/${floor.room}/**`, floor, level));
  const pure = PURE_FOLDERS.map(({ room, folder }) => {
    const level = FLOORS.findIndex((floor) => floor.room === room);
    return makeRule(`src/${room}/${folder}/**`, { ...FLOORS[level], isPure: true }, level);
  });
  return `${JSON.stringify({ overrides: [...rules, ...pure] }, null, 2)}\n`;
};

const makeRule = (includes, { isPure, packages }, level) => {
  const higher = [...FLOORS.slice(level + 1).map(({ room }) => `${room}/**`), 'cli.ts'];
  const foreign = PACKAGES.filter((name) => !packages.includes(name)).flatMap((name) => [name, `${name}/**`]);
  const group = [
    ...(isPure ? ['node:*'] : []),
    ...higher.flatMap((path) =>
      Array.from({ length: DEPTH }, (_, depth) => `${'../'.repeat(depth + 1)}${path}`),
    ),
    ...foreign,
  ];
  const message = `${isPure ? 'This folder does no I/O. ' : ''}Imports point down only, in the order of scripts/floors.js.`;
  const options = { patterns: [{ group, message }] };
  return {
    includes: [includes],
    linter: { rules: { style: { noRestrictedImports: { level: 'error', options } } } },
  };
};
