import { randomUUID } from 'node:crypto';
import { InvokeCommand, type LambdaClient } from '@aws-sdk/client-lambda';
import type { BuildRequest } from '../../src/contract/build-request';
import { type SourceKeys, sourceKeys } from '../../src/contract/keys';
import type { SourceRequest } from '../../src/contract/source';

/** Has the source fetched where the platform has a provider for the repository's host. */
export class SourceFetches {
  private readonly hosts: readonly string[];

  /** `hosts`: separated by commas. */
  constructor(private readonly lambda: LambdaClient, private readonly functionName: string | undefined, hosts = '') {
    this.hosts = hosts.split(',');
  }

  /**
   * Where the source will lie; undefined: the build clones the repository by itself. Called before the build is started, so that no build
   * ever waits for a fetch that nobody has begun: one that turns out to be in vain costs less. Throws if Lambda does not take the call.
   */
  public async begin({ commitSha, deploymentId, repoUrl }: BuildRequest): Promise<SourceKeys | undefined> {
    if (this.functionName === undefined || !this.hosts.includes(new URL(repoUrl).host)) return undefined;
    const request: SourceRequest = { deploymentId, attempt: randomUUID(), repoUrl, commitSha };
    await this.lambda.send(new InvokeCommand({ FunctionName: this.functionName, InvocationType: 'Event', Payload: JSON.stringify(request) }));
    return sourceKeys(request);
  }
}
