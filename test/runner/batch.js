// `node batch.js FILE …` runs many test files in one process, since the start of a process takes longer than their tests.
import { resolve } from 'node:path';
import { pathToFileURL } from 'node:url';

for (const file of process.argv.slice(2)) await import(pathToFileURL(resolve(file)).href);
