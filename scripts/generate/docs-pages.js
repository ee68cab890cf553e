import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { makeDocsTables } from './docs-tables.js';
import { ROOT, readProjectFile } from './sources.js';

const PART = /(<!-- generated: ([\w-]+) -->\n)[\s\S]*?(<!-- \/generated -->)/g;

/** The pages that have a generated part. */
export const PAGES = [
  'README.md',
  ...readdirSync(join(ROOT, 'docs'), { recursive: true }).map((name) => `docs/${name}`),
]
  .filter((path) => path.endsWith('.md') && readProjectFile(path).includes('<!-- generated: '))
  .sort();

let tables;

/**
 * Replaces each part between `<!-- generated: NAME -->` and `<!-- /generated -->` by what the code makes of it.
 * @throws for a name that no generator has, and for a part without an end
 */
export const fillPage = (page) => {
  tables ??= makeDocsTables();
  const parts = [...page.matchAll(PART)].length;
  if (parts !== page.split('<!-- generated: ').length - 1)
    throw new Error('a generated part has no end: <!-- /generated -->');
  return page.replace(PART, (_, start, name, end) => {
    if (!Object.hasOwn(tables, name))
      throw new Error(`no generator is called "${name}"; there is: ${Object.keys(tables).join(', ')}`);
    return `${start}\n${tables[name].trim()}\n\n${end}`;
  });
};
