/**
 * The room kinds: the kinds of probe (probes/) and of channel (channels/) as pure declarations, for the config and for the
 * texts. This file has the fields that their schemas share with the config's.
 */

import * as v from 'valibot';

/** A whole number from `min` to `max`; `kind` names the number in messages, such as "whole milliseconds". */
export const integerSchema = (min: number, max: number, kind: string, description: string) => {
  const expected = `${kind}, ${min} to ${max}`;
  return v.pipe(
    v.number(expected),
    v.integer(expected),
    v.minValue(min, expected),
    v.maxValue(max, expected),
    v.description(description),
  );
};

/** A text that is not empty. */
export const textSchema = (description: string) =>
  v.pipe(v.string('a text'), v.nonEmpty('a text that is not empty'), v.description(description));
