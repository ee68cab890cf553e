/** The ranges of code units that steer a terminal, begin a new line or reverse the direction of one. */
const CONTROLS: readonly (readonly [first: number, last: number])[] = [
  // C0 without the tab, DEL and C1, which has the control sequence introducer of one byte (ECMA-48).
  [0x00, 0x08],
  [0x0a, 0x1f],
  [0x7f, 0x9f],
  // The line and the paragraph separator and the bidirectional controls (https://www.unicode.org/reports/tr9/, 2.1 to 2.6).
  [0x061c, 0x061c],
  [0x200e, 0x200f],
  [0x2028, 0x202e],
  [0x2066, 0x2069],
];

/**
 * Makes a text from outside safe for one line of a log, a terminal or a status: a control character becomes its escape, such
 * as \u001b. A property escape (\p{…}) would load ICU's tables, which every proxy would pay for.
 * @param maxLength a longer text is cut to this length, and ends with "…"; counted in UTF-16 units, before the escapes.
 * Default: no text is cut
 */
export const printable = (text: string, maxLength = Number.POSITIVE_INFINITY): string => {
  const shortened = text.length > maxLength ? `${text.slice(0, maxLength - 1)}…` : text;
  return shortened.replace(/[^\x20-\x7e]/g, (character) =>
    isControl(character.charCodeAt(0)) ? escapeSequence(character) : character,
  );
};

/** True for a text that {@link printable} leaves as it is. */
export const isPrintable = (text: string): boolean => printable(text) === text;

const isControl = (code: number): boolean => CONTROLS.some(([first, last]) => code >= first && code <= last);

const escapeSequence = (character: string): string =>
  `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`;
