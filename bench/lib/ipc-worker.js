/** Answers the messages {id, order, …} of a helper with {id, value} or {id, error}, and ends with whoever leads it. */
export const answer = (orders) => {
  process.on('message', async ({ id, order, ...rest }) => {
    try {
      process.send({ id, value: await orders[order](rest) });
    } catch (error) {
      process.send({ id, error: error.message });
    }
  });
  process.on('disconnect', () => process.exit());
};
