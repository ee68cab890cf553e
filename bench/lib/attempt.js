import { stopAll } from './children.js';

/** Runs one measure of one forwarder, and stops all its processes. @returns {figures}, or {failure} with the reason */
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
