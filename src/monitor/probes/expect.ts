import type { Probe } from '../../kinds/probes/registry.ts';
import type { Exchange } from './exchange/exchange.ts';
import { createSearch, MAX_SEARCH_BYTES, quote } from './exchange/text-search.ts';
import { onReceived, sendSecretly } from './exchange/trace.ts';
import type { OpenProbe } from './probe-request.ts';

export const openExpectProbe: OpenProbe<'expect'> = (probe) => ({
  nameAt: (where) => `${where}:`,
  exchange: expectExchange(probe),
});

/** Sends one text, or nothing, and waits for the other text. No FIN follows, as with an http probe. */
const expectExchange =
  (probe: Probe<'expect'>): Exchange =>
  (socket, settle) => {
    const answerSearch = createSearch(probe.expect);
    const describeMissing = (): string | undefined => {
      const head = answerSearch.head();
      return head === '' ? undefined : `the answer ${quote(head)} has no ${quote(probe.expect)}`;
    };
    onReceived(socket, (chunk) => {
      if (answerSearch.isFoundIn(chunk)) settle();
      else if (answerSearch.hasReachedLimit())
        settle(`${describeMissing()} in its first ${MAX_SEARCH_BYTES} bytes`);
    });
    if (probe.send !== '') sendSecretly(socket, probe.send);
    return describeMissing;
  };
