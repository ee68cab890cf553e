import type { CreateEngine, Engine } from './engine.ts';

export type EngineChoice = 'auto' | 'kernel' | 'portable';

/**
 * `auto`: the kernel engine where it can be had (Linux on x64 or arm64, and koffi loads), otherwise the portable one.
 * Each is loaded only when it is used. `kernel` rejects, with its cause, where it cannot be had.
 */
export const chooseEngine =
  (wanted: EngineChoice): CreateEngine =>
  async (policy, hooks) => {
    const portable = async (why: string): Promise<Engine> => {
      const { createPortableEngine } = await import('./portable/engine.ts');
      return { ...(await createPortableEngine(policy, hooks)), why };
    };
    if (wanted === 'portable') return portable('as configured');
    try {
      const { createKernelEngine } = await import('./kernel/engine.ts');
      const why = wanted === 'kernel' ? 'as configured' : 'it can be had here';
      return { ...(await createKernelEngine(policy, hooks)), why };
    } catch (cause) {
      const why = `no kernel engine here: ${(cause as Error).message}`;
      if (wanted === 'kernel') throw new Error(why, { cause });
      return portable(why);
    }
  };
