import {
  BatchGetBuildsCommand, BatchGetProjectsCommand, Build, CodeBuildClient, CodeBuildServiceException, EnvironmentVariable, ListBuildsForProjectCommand, Project,
  StartBuildCommand, StopBuildCommand,
} from '@aws-sdk/client-codebuild';
import { mockClient } from 'aws-sdk-client-mock';
import { BUILD_ENV } from '../../src/contract/environment';

export const BUILD_PROJECT = 'builds';
export const BUILD_PROJECT_ARN = `arn:aws:codebuild:eu-central-1:123456789012:project/${BUILD_PROJECT}`;

/** As CodeBuild answers, of a build that this pipeline's orchestrator started for a deployment. */
export function buildOf(deploymentId: string | undefined, change: Partial<Build> = {}): Build {
  const id = change.id ?? `${BUILD_PROJECT}:${deploymentId}`;
  const environmentVariables = deploymentId === undefined ? [] : [{ name: BUILD_ENV.deploymentId, value: deploymentId }];
  return {
    id,
    arn: buildArn(id),
    projectName: BUILD_PROJECT,
    buildStatus: 'IN_PROGRESS',
    startTime: new Date(),
    ...change,
    environment: change.environment ?? withVariables(environmentVariables),
  };
}

export const buildArn = (buildId: string) => `arn:aws:codebuild:eu-central-1:123456789012:build/${buildId}`;

export function withVariables(environmentVariables: EnvironmentVariable[]): Build['environment'] {
  return { environmentVariables, type: undefined, image: undefined, computeType: undefined };
}

export const PROJECT: Project = {
  name: BUILD_PROJECT,
  source: { type: 'NO_SOURCE', buildspec: 'version: 0.2' },
  environment: { type: 'LINUX_CONTAINER', image: 'aws/codebuild/standard:7.0', computeType: 'BUILD_GENERAL1_SMALL', environmentVariables: [{ name: 'A', value: 'a' }] },
};

export type Refusal = 'before' | 'after';

/** An account in which builds are started, listed and stopped, but never run. `failNext` makes a StartBuild fail, before or after it did its work. */
export class SimulatedCodeBuild {
  public readonly mock = mockClient(CodeBuildClient);
  /** The newest last. */
  public builds: Build[] = [];
  public project: Project = PROJECT;
  private failures: { when: Refusal; error: Error }[] = [];
  private always?: Error;

  public reset(): void {
    this.builds = [];
    this.project = PROJECT;
    this.failures = [];
    this.always = undefined;
    const { mock } = this;
    mock.reset();
    mock.on(StartBuildCommand).callsFake(async ({ projectName, environmentVariablesOverride = [] }) => {
      if (this.always) throw this.always;
      const failure = this.failures.shift();
      if (failure?.when === 'before') throw failure.error;
      const deploymentId = environmentVariablesOverride.find(({ name }: EnvironmentVariable) => name === BUILD_ENV.deploymentId)?.value;
      const id = `${projectName}:${this.builds.length + 1}-${deploymentId}`;
      const build = buildOf(deploymentId, { id, projectName, environment: withVariables(environmentVariablesOverride) });
      this.builds.push(build);
      if (failure) throw failure.error;
      return { build };
    });
    mock.on(ListBuildsForProjectCommand).callsFake(async ({ nextToken }) => {
      const ids = this.builds.map(({ id }) => id!).reverse();
      const start = Number(nextToken ?? 0);
      return { ids: ids.slice(start, start + 100), nextToken: start + 100 < ids.length ? String(start + 100) : undefined };
    });
    mock.on(BatchGetBuildsCommand).callsFake(async ({ ids }) => ({ builds: this.builds.filter(({ id }) => ids.includes(id)) }));
    mock.on(StopBuildCommand).resolves({});
    mock.on(BatchGetProjectsCommand).callsFake(async () => ({ projects: [this.project] }));
  }

  public failNext(when: Refusal, error: Error): void {
    this.failures.push({ when, error });
  }

  public failAlways(error: Error | undefined): void {
    this.always = error;
  }

  /** How often StartBuild was called. */
  public get startCalls(): number {
    return this.mock.commandCalls(StartBuildCommand).length;
  }

  /** How often builds were looked for. */
  public get listCalls(): number {
    return this.mock.commandCalls(ListBuildsForProjectCommand).length;
  }

  /** Ids of the builds that were to be stopped. */
  public get stopped(): string[] {
    return this.mock.commandCalls(StopBuildCommand).map(({ args }) => args[0].input.id!);
  }
}

/** CodeBuild's own answer. */
export function answered(name: string, httpStatusCode = 400): CodeBuildServiceException {
  return new CodeBuildServiceException({ name, message: 'CodeBuild\'s own words', $fault: httpStatusCode < 500 ? 'client' : 'server', $metadata: { httpStatusCode } });
}

/** No answer came. */
export function unanswered(name = 'TimeoutError'): Error {
  return Object.assign(new Error('no answer'), { name });
}
