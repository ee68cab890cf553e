import { stopAll } from './children.js';

/** One measure of one forwarder: its figures or why there are none. Afterwards nothing of it runs any more. */
export const attempt = async (work, limitMs) => {
  try {
    return { figures: await withinLimit(work(), limitMs) };
  } catch (error) {
    return { failure: error.message };
  } finally {
    await stopAll();
  }
};

const withinLimit = async (work, limitMs) => {
  let timer;
  const limit = new Promise((_, fail) => {
    const error = new Error(`not done after ${limitMs / 1000} s`);
    timer = setTimeout(() => fail(error), limitMs);
  });
  try {
    return await Promise.race([work, limit]);
  } finally {
    clearTimeout(timer);
  }
};
