import type { CreateEngine, Engine } from './engine.ts';

export type EngineChoice = 'auto' | 'kernel' | 'portable';

/**
 * `auto` takes the kernel engine where it is available (Linux on x64 or arm64, and koffi loads), otherwise the portable
 * one. Only the engine that is used is loaded. `kernel` rejects, with the cause, where the kernel engine is not available.
 */
export const chooseEngine =
  (choice: EngineChoice): CreateEngine =>
  async (policy, hooks) => {
    const portable = async (reason: string): Promise<Engine> => {
      const { createPortableEngine } = await import('./portable/engine.ts');
      return { ...(await createPortableEngine(policy, hooks)), reason };
    };
    if (choice === 'portable') return portable('as configured');
    try {
      const { createKernelEngine } = await import('./kernel/engine.ts');
      const reason = choice === 'kernel' ? 'as configured' : 'it can be had here';
      return { ...(await createKernelEngine(policy, hooks)), reason };
    } catch (cause) {
      const reason = `no kernel engine here: ${(cause as Error).message}`;
      if (choice === 'kernel') throw new Error(reason, { cause });
      return portable(reason);
    }
  };
