// `node batch.js FILE …` runs many test files in one process, since the start of a process takes longer than their tests.
import { resolve } from 'node:path';
import { before } from 'node:test';
import { pathToFileURL } from 'node:url';

let areLoaded = () => {};
const loaded = new Promise((done) => {
  areLoaded = done;
});
// A test that has no other one before it starts within the call of test(), when the rest of its file is not evaluated yet.
before(() => loaded);
for (const file of process.argv.slice(2)) await import(pathToFileURL(resolve(file)).href);
areLoaded();
