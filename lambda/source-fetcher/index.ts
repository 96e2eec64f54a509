import type { Context } from 'aws-lambda';
import { Credentials } from './credentials';
import { GitRemote } from './git-remote';
import { withRetries } from './retries';
import { SourceObjects } from './source-objects';
import { failureCodeOf } from './source-problem';
import { HANDLER_ENV } from '../../src/contract/environment';
import { sourceKeys } from '../../src/contract/keys';
import type { SourceProviderSettings, SourceRequest, SourceStatus } from '../../src/contract/source';
import { s3Client, secretsManagerClient } from '../shared/aws-clients';
import { requiredEnv } from '../shared/environment';
import { HostProblem } from '../shared/host-problem';
import { HttpsClient } from '../shared/https-client';
import { logger } from '../shared/logger';

/**
 * Gets the source of one commit from a git host that the platform has credentials for, and stores it for the build, which has none. Called
 * when the build is started, so that both go on at the same time. Whatever it comes to, it stores a status, which the build waits for; what it
 * throws all the same, Lambda tries once more.
 */

const s3 = s3Client();
const secretsManager = secretsManagerClient();
const bucket = requiredEnv(HANDLER_ENV.artifactsBucket);
const providers = JSON.parse(requiredEnv(HANDLER_ENV.sourceProviders)) as SourceProviderSettings[];

/** To give up an upload and to store the status. */
const RESERVE_MS = 15_000;

export async function handler(request: SourceRequest, context: Context): Promise<void> {
  logger.resetKeys();
  logger.addContext(context);
  const { attempt, commitSha, deploymentId, repoUrl } = request;
  logger.appendKeys({ deploymentId, attempt, repoUrl, commitSha });
  const objects = new SourceObjects(s3, bucket, sourceKeys(request));
  const status = await statusOf(request, objects, context.getRemainingTimeInMillis() - RESERVE_MS);
  await objects.storeStatus(status);
  logger.info('The build is told what became of its source', { ...status });
}

async function statusOf(request: SourceRequest, objects: SourceObjects, milliseconds: number): Promise<SourceStatus> {
  const signal = AbortSignal.timeout(milliseconds);
  try {
    return await withRetries(Date.now() + milliseconds, () => fetchSource(request, objects, new HttpsClient(signal)));
  } catch (error) {
    if (error instanceof HostProblem) return { status: 'failed', failureCode: failureCodeOf(error), reason: error.message };
    if (signal.aborted) return failed(`${new URL(request.repoUrl).host} has not sent the commit within ${Math.round(milliseconds / 1000)} s. Try again later.`);
    logger.error('The source was not fetched', error as Error);
    return failed('The source could not be fetched. This is a fault of the platform: the source fetcher\'s log says why.');
  }
}

async function fetchSource({ commitSha, repoUrl }: SourceRequest, objects: SourceObjects, client: HttpsClient): Promise<SourceStatus> {
  const repository = new URL(repoUrl);
  const provider = providers.find(({ host }) => host === repository.host);
  const credential = provider && await new Credentials(secretsManager, client).of(provider, repository);
  if (!credential) return { status: 'direct' };
  await objects.storePack(await new GitRemote(client, repository, credential).fetch(commitSha));
  return { status: 'ready' };
}

function failed(reason: string): SourceStatus {
  return { status: 'failed', failureCode: 'CHECKOUT_FAILED', reason };
}
