const OTHER_ADDRESSES = 'a proxy has two connections: the addresses of their ends differ';
const BOTH_LOOPBACKS = 'it wants nothing to listen at ::1, or at 127.0.0.1, where the proxy listens at both';

/** What no proxy of TCP can pass, or none that listens as this one does: `suite: { case: why }`. It is counted apart. */
export const EXCEPTIONS = {
  'Go net/http': {
    TestServerContext_LocalAddrContextKey_h1: OTHER_ADDRESSES,
    TestServerContext_LocalAddrContextKey_h2: OTHER_ADDRESSES,
  },
  'Node.js net': {
    'test-net-autoselectfamily.js': BOTH_LOOPBACKS,
    'test-net-autoselectfamily-commandline-option.js': BOTH_LOOPBACKS,
    'test-net-autoselectfamily-ipv4first.js': BOTH_LOOPBACKS,
    'test-net-autoselectfamilydefault.js': BOTH_LOOPBACKS,
    'test-net-listen-ipv6only.js': BOTH_LOOPBACKS,
    'test-net-local-address-port.js': OTHER_ADDRESSES,
    'test-net-socket-local-address.js': OTHER_ADDRESSES,
  },
  'Node.js http2': {
    'test-http2-connect-options.js': OTHER_ADDRESSES,
  },
};
