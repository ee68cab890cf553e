import { isPrintable } from '../../lib/printable.ts';
import type { ChannelKind } from './channel-kind.ts';

/** The parts of an EMAIL_URL that are in its query. */
export interface EmailAddresses {
  /** `name@host`, or `Name <name@host>`. */
  readonly from: string;
  /** At least one. */
  readonly to: readonly string[];
}

/** An address of RFC 5322, 3.4, as people write it: without comments, groups and quoted names. */
const ADDRESS = /^([^<>@,;"]*<[^\s<>@,;"]+@[^\s<>@,;"]+>|[^\s<>@,;"]+@[^\s<>@,;"]+)$/;

/** A "+" stands for itself, as it does in addresses; in a form's query it would be a space. */
const queryOf = ({ search }: URL): URLSearchParams => new URLSearchParams(search.replaceAll('+', '%2B'));

/** The addresses of a URL that {@link email} has found to be right. */
export const emailAddressesOf = (url: URL): EmailAddresses => {
  const query = queryOf(url);
  const to = query.getAll('to').flatMap((list) => list.split(','));
  return { from: query.get('from')?.trim() ?? '', to: to.map((address) => address.trim()) };
};

/** https://www.rfc-editor.org/rfc/rfc6409 (submission), https://www.rfc-editor.org/rfc/rfc8314 (smtps) */
export const email = {
  name: 'email',
  variable: 'EMAIL_URL',
  example: 'smtp://user:password@mail.example.org:587/?from=alerts@example.org&to=ops@example.org',
  description:
    'an e-mail as text and HTML to one address or several (`&to=a@…,b@…`); `smtps://` for TLS from the start',
  check: (value) => {
    const url = URL.canParse(value) ? new URL(value) : null;
    if (url === null || !/^smtps?:$/.test(url.protocol) || url.hostname === '')
      return 'an smtp or smtps URL with a host';
    if (url.username === '' && url.password !== '') return 'a user before the password';
    const unknown = [...queryOf(url).keys()].filter((key) => key !== 'from' && key !== 'to');
    if (unknown.length > 0) return 'a query of "from" and "to" alone';
    const { from, to } = emailAddressesOf(url);
    if (!ADDRESS.test(from) || queryOf(url).getAll('from').length > 1)
      return 'one address as "from" in its query';
    if (to.length === 0 || !to.every((address) => ADDRESS.test(address)))
      return 'one address or several, with commas between them, as "to" in its query';
    // A line break would begin another header (RFC 5322, 2.2).
    return [from, ...to].every(isPrintable) ? null : 'names and addresses without control characters';
  },
} as const satisfies ChannelKind;
