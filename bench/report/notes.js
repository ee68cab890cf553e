import { CONNECTIONS_AT_ONCE } from '../lib/sizes.js';
import { format } from './parts.js';

/** How the figures came about. */
export const notes = (rounds, sizes) =>
  [general(rounds), loads(sizes), peers, logs].map((text) => text.trim()).join('\n');

const general = (rounds) => `
- The figures are medians of ${rounds === 1 ? '1 round' : `${rounds} rounds`}. In a round each measure
  is made of all forwarders in turn, each time with a new process of the forwarder and of the upstream. All is
  on 127.0.0.1.
- "Best peer" is the best of HAProxy, with either setting of splicing, and nginx in that row, whichever of them
  it is. Within 3 % they are called equal.
- CPU is user and system time of the forwarder alone, all of its processes. The load and the upstream share
  the cores with it, so that rates and latencies are about this machine; ratios carry further. "CPU of all" is
  that of the whole machine, iperf3 and whatever else runs included: what the kernel does for a forwarder when an
  interrupt comes, such as to send what BBR has put off with a timer, counts for whoever runs just then, or for
  nobody, and is in that figure only.
`;

const loads = ({ bytes, seconds, turns, roundTrips, connections, starts, counted, small }) => `
- Streams: iperf3, ${bytes / 1e9} GB in all, from the client to the upstream. A GB is 10⁹ bytes, as received.
- Requests: wrk, ${CONNECTIONS_AT_ONCE} connections, ${seconds} s, to an nginx that answers "ok". New connections: the same with
  \`Connection: close\`; median and 99th percentile are from the request, on a connection that the system
  accepted. Context switches: of all threads of the forwarder, wanted and forced.
- Added latency: the median of ${format(turns * roundTrips)} round trips through the forwarder, less that of
  as many to the upstream itself.
- Small requests: ${format(small.count)} connections, each with a byte there and back every ${small.everyMs} ms, for ${small.seconds} s, whether
  or not others have their answer. Bulk: one more connection, through the same forwarder, that sends as
  fast as it can; a process of its own reads it.
- System calls: counted by \`strace -c -f\` in every thread and process of the forwarder, over
  ${format(counted.requests)} requests of one byte on ${CONNECTIONS_AT_ONCE} connections, then over ${format(counted.connections)} connections, ${CONNECTIONS_AT_ONCE} at a time, with
  a byte there and back. A traced forwarder is slow, so that each of its looks finds more to do: untraced and
  with less load all of them look more often.
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
- Every steadyport here writes a line for each connection that is over, in all rows: it cannot be told not to.
  HAProxy and nginx write none in the first table, nor do the others. In "each with a line in the log" they do,
  to a file as steadyport's goes to: HAProxy with \`option tcplog\`, \`log stdout\`, a write for each line; nginx with
  \`access_log\`, \`buffer=32k flush=1s\`. It was checked that there is a line for each connection.
`;
