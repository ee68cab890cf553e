// `npm run generate` writes the files that are made from the code. test/meta/generated.test.ts compares them with the code.
import { writeFileSync } from 'node:fs';
import { makeConfigSchema } from './generate/config-schema.js';
import { makeDecisionTable } from './generate/decision-table.js';
import { fillPage, PAGES } from './generate/docs-pages.js';
import { makeFloorRules } from './generate/floor-rules.js';
import { readProjectFile } from './generate/sources.js';
import { makeStatusPicture } from './generate/status-picture.js';

/**
 * The generated files. Each function makes the new content of its file, and gets the present content, so that it can
 * replace a part of it.
 */
const GENERATED = {
  'biome.floors.json': makeFloorRules,
  'docs/decision-table.md': makeDecisionTable,
  'docs/images/status.svg': makeStatusPicture,
  'steadyport.schema.json': makeConfigSchema,
  ...Object.fromEntries(PAGES.map((path) => [path, fillPage])),
};

/** Makes all files. @returns for each its path, its present and its new content */
export const generate = () =>
  Object.entries(GENERATED).map(([path, make]) => {
    const present = readProjectFile(path);
    return { path, present, made: make(present) };
  });

if (process.argv[1] === import.meta.filename)
  for (const { path, present, made } of generate())
    if (made !== present) {
      writeFileSync(path, made);
      console.log(`${path} is written anew.`);
    }
