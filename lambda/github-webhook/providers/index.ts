import { bitbucket } from './bitbucket';
import { github } from './github';
import { gitlab } from './gitlab';
import type { Provider } from './provider';

export const PROVIDERS: readonly Provider[] = [github, gitlab, bitbucket];

/** Whoever names no event is taken for GitHub: without its signature they get no further. */
export function providerOf(headers: Readonly<Record<string, string>>): Provider {
  return PROVIDERS.find(({ eventHeader }) => headers[eventHeader] !== undefined) ?? github;
}
