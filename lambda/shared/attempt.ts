import { logger } from './logger';

/** For what makes later builds faster, but never fails this one: `otherwise` says in the log what its failure means. */
export async function attempt<T>(otherwise: string, instead: T, act: () => Promise<T>): Promise<T> {
  try {
    return await act();
  } catch (error) {
    logger.warn(otherwise, { error: error as Error });
    return instead;
  }
}
