import { CONNECTIONS_AT_ONCE } from '../lib/sizes.js';
import { format } from './parts.js';

/** @returns the notes on how the figures were measured */
export const notes = (rounds, sizes) =>
  [general(rounds), loads(sizes), peers, logs].map((text) => text.trim()).join('\n');

const general = (rounds) => `
- The figures are medians of ${rounds === 1 ? '1 round' : `${rounds} rounds`}. In a round each measure
  covers all forwarders in turn, each time with a new process of the forwarder and of the upstream. All connections are
  on 127.0.0.1.
- "Best peer" is the best of HAProxy, with either setting of splicing, and nginx in that row, whichever of them
  is best. Within 3 % they are called equal.
- CPU is user and system time of the forwarder alone, all of its processes. The load and the upstream share
  the cores with it, so that rates and latencies hold for this machine only; ratios carry further. "CPU of all" is
  that of the whole machine, including iperf3 and every other process. Only that figure contains the kernel's work for a
  forwarder in interrupts, such as sending data that BBR has delayed by a timer: it counts for the process that runs at
  that moment, or for none.
`;

const loads = ({ bytes, seconds, turns, roundTrips, connections, starts, counted, small }) => `
- Streams: iperf3, ${bytes / 1e9} GB in all, from the client to the upstream. A GB is 10⁹ bytes, as received.
- Requests: wrk, ${CONNECTIONS_AT_ONCE} connections, ${seconds} s, to an nginx that answers "ok". New connections: the same with
  \`Connection: close\`; median and 99th percentile are from the request, on a connection that the system
  accepted. Context switches: of all threads of the forwarder, voluntary and involuntary.
- Added latency: the median of ${format(turns * roundTrips)} round trips through the forwarder, minus that of
  as many to the upstream itself.
- Small requests: ${format(small.count)} connections, each with a byte there and back every ${small.everyMs} ms, for ${small.seconds} s, also while
  other connections wait for their answers. Bulk: one more connection through the same forwarder, which sends as
  fast as it can; a separate process reads it.
- System calls: counted by \`strace -c -f\` in every thread and process of the forwarder, over
  ${format(counted.requests)} requests of one byte on ${CONNECTIONS_AT_ONCE} connections, then over ${format(counted.connections)} connections, ${CONNECTIONS_AT_ONCE} at a time, with
  a byte there and back. A traced forwarder is slow, so that each of its waits returns more events: untraced and
  with less load, every forwarder waits more often.
- Memory, idle: RSS of a forwarder that is one process, the sum of PSS of one that is several (nginx). Each
  idle connection: by how much PSS has grown with ${format(connections)} of them, each having carried a byte
  both ways. Neither mapped files nor the system's socket buffers are counted. Under PM2: RSS of one proxy that
  a real PM2 has started from \`ecosystem.config.js\`, with one connection behind it.
- From start to the first byte: the median of ${format(starts)} in each round, tried again every millisecond.
  \`node -e 0\` is from its start to its end, in turns with it.
`;

const peers = `
- HAProxy: one thread, \`mode tcp\`, \`tune.pipesize 1048576\`, \`maxpipes\` a quarter of \`maxconn\` as by default. With
  \`option splice-auto\` ("HAProxy") its version 2.6 splices few reads of a stream; with \`option splice-request\`
  and \`option splice-response\` ("HAProxy splicing") every one, small ones too: the one is best at small
  messages, the other at bulk. \`tune.bufsize\` is left at 16 kB, as its manual strongly advises. Tried without
  gain: \`tcp-smart-accept\`, \`tcp-smart-connect\`, more pipes.
- nginx: one worker, \`proxy_buffer_size 256k\`, which halves its CPU for bulk against the default of 16 kB and
  costs an idle connection nothing. It cannot splice. Tried without gain: \`multi_accept\`. \`reuseport\` is for several workers.
- Backlog: 4,096 for all.
`;

const logs = `
- steadyport writes a line for each connection that has ended, in all rows: this cannot be switched off.
  HAProxy, nginx and the others write none in the first table. In "each with a line in the log" HAProxy and nginx do,
  to a file, as steadyport does: HAProxy with \`option tcplog\`, \`log stdout\`, a write for each line; nginx with
  \`access_log\`, \`buffer=32k flush=1s\`. The measure checks that there is a line for each connection.
`;
