// Formats figures, and aligned Markdown tables, which a terminal shows the same way.

export const formatFigure = (figure) => {
  if (figure === undefined) return '–';
  const size = Math.abs(figure);
  const digits = Number.isInteger(figure) || size >= 100 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
  const options = { minimumFractionDigits: digits, maximumFractionDigits: digits };
  return figure.toLocaleString('en', options);
};

/** The first line is the header; the first `texts` columns are text, the others figures. */
export const table = ([header, ...lines], texts = 2) => {
  const widths = header.map((_, column) =>
    Math.max(...[header, ...lines].map((line) => line[column].length)),
  );
  const isText = (column) => column < texts;
  const format = (line) =>
    `| ${line
      .map((cell, column) => (isText(column) ? cell.padEnd(widths[column]) : cell.padStart(widths[column])))
      .join(' | ')} |`;
  const rule = widths.map((width, column) =>
    isText(column) ? '-'.repeat(width) : `${'-'.repeat(width - 1)}:`,
  );
  return [format(header), format(rule), ...lines.map(format)].join('\n');
};
