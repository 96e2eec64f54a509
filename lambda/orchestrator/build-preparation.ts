import { BatchGetProjectsCommand, CodeBuildClient, EnvironmentVariable } from '@aws-sdk/client-codebuild';
import type { S3Client } from '@aws-sdk/client-s3';
import { Handovers } from './handovers';
import { Reuse } from './reuse';
import type { SourceFetches } from './source-fetches';
import type { BuildRequest } from '../../src/contract/build-request';
import { HANDOVER_ENV } from '../../src/contract/environment';
import type { Handover } from '../../src/contract/handover';
import type { SourceKeys } from '../../src/contract/keys';
import { attempt } from '../shared/attempt';
import { buildInputs } from '../shared/build-inputs';
import type { Pipeline } from '../shared/pipeline';
import type { PromotedBuild } from '../shared/state/promoted-artifacts';

type Secrets = Handover['installEnvironment'];

/** What makes a build fast, or needless, and what it may read. Nothing here keeps a build from being started, unless it needs what is handed over. */
export class BuildPreparation {
  private readonly handovers: Handovers;
  private readonly reuse: Reuse;

  constructor(
    private readonly pipeline: Pipeline, private readonly codeBuild: CodeBuildClient, private readonly sources: SourceFetches, s3: S3Client, bucket: string,
  ) {
    this.handovers = new Handovers(s3, bucket);
    this.reuse = new Reuse(pipeline.promotedArtifacts, s3, bucket);
  }

  public async findReusable(request: BuildRequest): Promise<PromotedBuild | undefined> {
    return this.reuse.find(request, () => this.inputs(request));
  }

  /** Variables of one build, beside what its request says. */
  public async environment(request: BuildRequest, secrets: Secrets): Promise<EnvironmentVariable[]> {
    const source = await this.sources.begin(request);
    const [url, inputs] = await Promise.all([this.handover(request, secrets, source), this.inputs(request)]);
    return [[HANDOVER_ENV.url, url] as const, [HANDOVER_ENV.inputs, inputs] as const, [HANDOVER_ENV.source, source && 'handover'] as const]
      .filter(([, value]) => value !== undefined)
      .map(([name, value]) => ({ name, value, type: 'PLAINTEXT' }));
  }

  private async handover(request: BuildRequest, secrets: Secrets, source: SourceKeys | undefined): Promise<string | undefined> {
    const write = async () => this.handovers.write(request, await this.pipeline.cacheAccounts.of(request.projectId), secrets, source);
    return secrets ?? source ?? request.buildEnvironment ? write() : attempt('The build gets no cache', undefined, write);
  }

  private async inputs(request: BuildRequest): Promise<string | undefined> {
    return attempt('The artifacts of this build will not be used again', undefined, async () => {
      const { projects = [] } = await this.codeBuild.send(new BatchGetProjectsCommand({ names: [this.pipeline.buildProject] }));
      return projects[0] && buildInputs(projects[0], request);
    });
  }
}
