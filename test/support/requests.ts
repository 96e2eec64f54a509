import type { BuildRequest } from '../../src/contract/build-request';

export const COMMIT_SHA = '0123456789abcdef0123456789abcdef01234567';

export function buildRequest(overrides: Partial<BuildRequest> = {}): BuildRequest {
  return { deploymentId: 'deployment-1', projectId: 'project-1', commitSha: COMMIT_SHA, repoUrl: 'https://github.com/acme/shop.git', branch: 'main', ...overrides };
}
