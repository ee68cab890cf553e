/** What the index says of a page. */
interface Entry {
  readonly path: string;
  readonly about: string;
}

/**
 * Makes the list of the pages: HTML with links for a browser, plain text for curl.
 * @param accept the request's Accept header; only a browser asks for text/html
 * @param entries their texts have no character that HTML reads in another way
 */
export const makeIndexPage = (
  accept: string,
  entries: readonly Entry[],
): { readonly type: string; readonly body: string } =>
  accept.includes('text/html')
    ? { type: 'text/html; charset=utf-8', body: renderHtml(entries) }
    : { type: 'text/plain; charset=utf-8', body: renderText(entries) };

const renderText = (entries: readonly Entry[]): string => {
  const width = Math.max(...entries.map(({ path }) => path.length));
  const lines = entries.map(({ path, about }) => `${path.padEnd(width)}  ${about}`);
  return `The monitor of steadyport\n\n${lines.join('\n')}\n`;
};

const renderHtml = (entries: readonly Entry[]): string => {
  const items = entries.map(({ path, about }) => `<li><a href="${path}">${path}</a>: ${about}</li>`);
  return `<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta name="viewport" content="width=device-width">
<title>steadyport</title>
<h1>The monitor of steadyport</h1>
<ul>
${items.join('\n')}
</ul>
</html>
`;
};
