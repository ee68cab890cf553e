import { Pm2Failure } from '../../pm2/client.ts';

/** Runs a command. When PM2 itself fails, prints why, without a stack, and gives this exit code. */
export const withPm2Failure = async (exitCode: number, run: () => Promise<number>): Promise<number> => {
  try {
    return await run();
  } catch (error) {
    if (!(error instanceof Pm2Failure)) throw error;
    process.stderr.write(`steadyport: ${error.message}\n`);
    return exitCode;
  }
};
