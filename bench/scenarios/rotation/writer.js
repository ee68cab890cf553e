// An app for PM2: writes numbered lines at a steady rate, as a proxy writes those of its connections.
import { writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';

/** `built` is the project's own code, bundled for this run. `done` is the file that is written at the end. */
const [built, path, count, rate, done] = process.argv.slice(2);
const { createLog, openFileSink } = createRequire(import.meta.url)(built);

const TURN_MS = 5;
/** After a stall of the machine the missing lines are spread over turns, as a proxy's would be. */
const MAX_A_TURN = 3_000;
/** The writer waits for PM2: lines that PM2 cannot take must not count as lost by a rotation. */
const MAX_UNREAD_BYTES = 1_000_000;

const access =
  path === 'stdout' ? undefined : openFileSink(path, (sentence) => process.stderr.write(`${sentence}\n`));
const log = createLog('text', access?.write);
const startedAt = performance.now();
let written = 0;

const turn = async () => {
  const due = Math.min(count, written + MAX_A_TURN, ((performance.now() - startedAt) / 1_000) * rate);
  while (written < due && process.stdout.writableLength < MAX_UNREAD_BYTES)
    log('connection', `${written++}: 10.0.0.9:52572 → 127.0.0.1:6274 done, 78 B up, 804 B down, total 4 ms`);
  if (written < count) return setTimeout(turn, TURN_MS);
  await access?.close();
  process.stdout.write('', () =>
    writeFileSync(
      done,
      JSON.stringify({ ...process.cpuUsage(), seconds: (performance.now() - startedAt) / 1_000 }),
    ),
  );
};

turn();
process.send('ready');
setInterval(() => {}, 1_000_000);
