import {
  BatchGetBuildsCommand, Build, CodeBuildClient, ListBuildsForProjectCommand, ResourceNotFoundException, StopBuildCommand,
} from '@aws-sdk/client-codebuild';
import { buildLogsUrl } from './console-link';
import { BuildReference } from './deployment-store';
import { ID_PATTERN } from '../../src/contract/build-request';
import { BUILD_ENV, HANDOVER_ENV } from '../../src/contract/environment';

/** BatchGetBuilds takes at most 100 ids; ListBuildsForProject answers with 100 at a time. */
const BATCH = 100;

/** Clocks differ a little; a build may seem to have started before the call that started it. */
const CLOCK_SKEW_MS = 60_000;

/** The builds of the pipeline's project, as CodeBuild knows them. */
export class Builds {
  constructor(private readonly codeBuild: CodeBuildClient, private readonly projectName: string) {}

  /** Those that CodeBuild knows, in no certain order. Ids or ARNs. */
  public async get(idsOrArns: readonly string[]): Promise<Build[]> {
    // The API documents `<project>:<uuid>`; the events carry the ARN.
    const ids = idsOrArns.map((id) => id.replace(/^arn:[^/]*:build\//, ''));
    const builds: Build[] = [];
    for (let start = 0; start < ids.length; start += BATCH) {
      const { builds: found = [] } = await this.codeBuild.send(new BatchGetBuildsCommand({ ids: ids.slice(start, start + BATCH) }));
      builds.push(...found);
    }
    return builds;
  }

  /** Pages of builds, the newest first. */
  public async *newestFirst(): AsyncGenerator<Build[]> {
    let nextToken: string | undefined;
    do {
      const page = await this.codeBuild.send(new ListBuildsForProjectCommand({ projectName: this.projectName, sortOrder: 'DESCENDING', nextToken }));
      if (page.ids?.length) yield await this.get(page.ids);
      nextToken = page.nextToken;
    } while (nextToken !== undefined);
  }

  /** The build of a deployment that was started at this time (epoch seconds) or later. An older one was of a record that has been removed. */
  public async findOf(deploymentId: string, since: number): Promise<Build | undefined> {
    for await (const page of this.newestFirst()) {
      const recent = page.filter(({ startTime }) => startTime === undefined || startTime.getTime() >= since * 1000 - CLOCK_SKEW_MS);
      const build = recent.find((one) => deploymentIdOf(one) === deploymentId);
      if (build || recent.length === 0) return build;
    }
    return undefined;
  }

  /** Its end is told by its event, as of any other build. */
  public async stop(buildId: string): Promise<void> {
    try {
      await this.codeBuild.send(new StopBuildCommand({ id: buildId }));
    } catch (error) {
      // It is not there any more: what was wanted.
      if (!(error instanceof ResourceNotFoundException)) throw error;
    }
  }
}

export function referenceTo(build: Build): BuildReference {
  return { buildId: build.id!, buildStartedAt: (build.startTime ?? new Date()).toISOString(), logsUrl: buildLogsUrl(build.arn!) };
}

/** By the environment that the orchestrator gave it, which tenant code cannot alter. Undefined: somebody else started it. */
export function deploymentIdOf(build: Build): string | undefined {
  return idIn(build, BUILD_ENV.deploymentId);
}

export function projectIdOf(build: Build): string | undefined {
  return idIn(build, BUILD_ENV.projectId);
}

/** What it was built from, see build-inputs.ts. Undefined: nobody found out. */
export function inputsOf(build: Build): string | undefined {
  return valueIn(build, HANDOVER_ENV.inputs);
}

function idIn(build: Build, name: string): string | undefined {
  const value = valueIn(build, name) ?? '';
  return ID_PATTERN.test(value) ? value : undefined;
}

function valueIn(build: Build, name: string): string | undefined {
  return build.environment?.environmentVariables?.find((variable) => variable.name === name)?.value;
}
