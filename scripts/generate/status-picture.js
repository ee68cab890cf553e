import { loadSource } from './sources.js';

const COLUMNS = 88;
const CHARACTER_WIDTH = 7.8;
const LINE_HEIGHT = 18;
const MARGIN = 16;

/** The colours of a dark terminal: it stands out on a light page and on a dark one. */
const COLOURS = {
  background: '#161b22',
  border: '#3d444d',
  text: '#d1d7e0',
  green: '#3fb950',
  red: '#f85149',
};

const ESCAPE = '\x1b';
const RESET = `${ESCAPE}[39m`;
const STYLE = {
  success: (text) => `${ESCAPE}[32m${text}${RESET}`,
  error: (text) => `${ESCAPE}[31m${text}${RESET}`,
  dim: String,
};
const COLOUR_OF_CODE = { 31: COLOURS.red, 32: COLOURS.green, 39: COLOURS.text };

/** docs/images/status.svg: the status of an example, as `npm run status` prints it on a terminal. */
export const makeStatusPicture = () => {
  const { renderStatus } = loadSource('src/status/render.ts');
  const { NOW, SNAPSHOT } = loadSource('test/support/docs-samples.ts');
  const lines = ['$ npm run status', ...renderStatus(SNAPSHOT, COLUMNS, STYLE, NOW).trimEnd().split('\n')];
  const width = Math.ceil(COLUMNS * CHARACTER_WIDTH + 2 * MARGIN);
  const height = lines.length * LINE_HEIGHT + 2 * MARGIN;
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" role="img" aria-label="npm run status: one port is up, and the application behind another one is away">
<rect x="0.5" y="0.5" width="${width - 1}" height="${height - 1}" rx="8" fill="${COLOURS.background}" stroke="${COLOURS.border}"/>
<g font-family="ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace" font-size="13" fill="${COLOURS.text}">
${lines.map(renderLine).join('')}</g>
</svg>
`;
};

const renderLine = (line, row) => {
  const y = MARGIN + row * LINE_HEIGHT + 13;
  const spans = spansOf(line);
  return spans.length === 0 ? '' : `<text x="${MARGIN}" y="${y}">${spans.map(renderSpan).join('')}</text>\n`;
};

const renderSpan = ({ text, colour }) =>
  colour === COLOURS.text ? escapeXml(text) : `<tspan fill="${colour}">${escapeXml(text)}</tspan>`;

/** Splits a line at its colour codes (SGR of ECMA-48). @throws for another code than those of {@link STYLE} */
const spansOf = (line) => {
  let colour = COLOURS.text;
  return line
    .split(new RegExp(`${ESCAPE}\\[(\\d+)m`))
    .flatMap((part, index) => {
      if (index % 2 === 0) return [{ text: part, colour }];
      colour = COLOUR_OF_CODE[part];
      if (colour === undefined) throw new Error(`the picture does not know the colour code ${part}`);
      return [];
    })
    .filter(({ text }) => text !== '');
};

/** Browsers join spaces in SVG text, each by other rules of CSS; a no-break space stays. */
const escapeXml = (text) =>
  text.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;').replaceAll(' ', '\u00a0');
