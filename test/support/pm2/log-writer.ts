// An app for PM2: writes numbered lines through the real writer of a proxy's log, at full speed, until the file STOP exists.
import { existsSync, writeFileSync } from 'node:fs';
import { openFileSink } from '../../../src/logging/file-sink.ts';
import { createLog } from '../../../src/logging/logger.ts';

const [path = '', minLines = '', stop = '', done = ''] = process.argv.slice(2);
/** Three times the highest rate that was observed of a proxy. */
const LINES_PER_TURN = 40;

const access = openFileSink(path, (sentence) => process.stderr.write(`${sentence}\n`));
const log = createLog('text', access.write);
let written = 0;
const turn = (): void => {
  for (let count = 0; count < LINES_PER_TURN; count += 1)
    log('connection', `${written++}: 10.0.0.9:52572 → 127.0.0.1:6274 done, 78 B up, total 4 ms`);
  if (written < Number(minLines) || !existsSync(stop)) setTimeout(turn, 1);
  else void access.close().then(() => writeFileSync(done, `${written}`));
};
turn();
process.send?.('ready');
setInterval(() => {}, 1e6);
