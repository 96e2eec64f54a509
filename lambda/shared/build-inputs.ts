import { createHash } from 'node:crypto';
import type { Project } from '@aws-sdk/client-codebuild';
import type { BuildRequest } from '../../src/contract/build-request';

/**
 * Stands for everything but the commit that a build's result depends on: the project as CodeBuild has it at that moment (buildspec with
 * the versions it knows, image, environment), and what the request adds. Two builds of one commit with the same inputs give the same.
 */
export function buildInputs({ environment, source }: Project, request: BuildRequest): string {
  const { branch, buildEnvironment = {}, repoUrl, rootDirectory, withoutSecrets = false } = request;
  const byName = ([a]: readonly unknown[], [b]: readonly unknown[]) => (String(a) < String(b) ? -1 : 1);
  const variables = (environment?.environmentVariables ?? []).map(({ name, type, value }) => [name, type ?? 'PLAINTEXT', value] as const);
  return createHash('sha256').update(JSON.stringify([
    source?.buildspec ?? '',
    environment?.type ?? '',
    environment?.image ?? '',
    // Not the compute type: more memory gives the same result.
    variables.sort(byName),
    repoUrl,
    rootDirectory ?? '',
    // The app's build sees these.
    branch,
    Object.entries(buildEnvironment).sort(byName),
    // Neither sees what the other's install has fetched, or left behind.
    withoutSecrets,
  ])).digest('hex');
}
