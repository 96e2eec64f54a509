import { Build, CodeBuildClient, CodeBuildServiceException, StartBuildCommand } from '@aws-sdk/client-codebuild';
import { BuildPreparation } from './build-preparation';
import { Delivery, HandledFailure } from './delivery';
import { InstallSecrets, InvalidInstallSecrets } from './install-secrets';
import { decideStartFailure, decideWait, NO_USE_WAITING_SECONDS } from './start-failure';
import { WaitingEnvironments } from './waiting-environments';
import { BuildRequest } from '../../src/contract/build-request';
import { DeploymentRecord, WaitingReason } from '../../src/contract/deployment';
import { BUILD_ENV } from '../../src/contract/environment';
import { FailureCode, failureMessage } from '../../src/contract/failure-codes';
import { referenceTo } from '../shared/builds';
import { logger } from '../shared/logger';
import { Pipeline } from '../shared/pipeline';

interface Limits {
  readonly maxReceiveCount: number;
  /** How long a request may wait: as long as SQS keeps messages. */
  readonly retentionSeconds: number;
}

interface Claim {
  /** Epoch seconds. */
  readonly now: number;
  readonly claimExpiresAt: number;
}

/** Starts the build of a deployment that this invocation has claimed, or lets it wait, or ends it. */
export class DeploymentStart {
  constructor(
    private readonly pipeline: Pipeline,
    private readonly codeBuild: CodeBuildClient,
    private readonly preparation: BuildPreparation,
    private readonly secrets: InstallSecrets,
    private readonly environments: WaitingEnvironments,
    private readonly limits: Limits,
  ) {}

  /** Throws to keep the message. */
  public async run(delivery: Delivery, received: BuildRequest, record: DeploymentRecord, claim: Claim): Promise<void> {
    const { branches, builds, capacity, events, openDeployments, projects, store, superseding } = this.pipeline;
    await events.tryToAnnounce(record);
    // Before anything that may leave a trace: from now on the reconciler knows of this deployment.
    await openDeployments.see(record, claim.now);

    const { newer, displaced } = await branches.register(record);
    if (displaced) await superseding.supersede(displaced, record.deploymentId);

    if (record.startAttemptedAt! < claim.now) {
      const build = await builds.findOf(record.deploymentId, record.startAttemptedAt!);
      if (build) {
        logger.info('An earlier attempt had started the build', { buildId: build.id });
        // It has its project's place since then; if that was given back, the build has ended, and nobody would give it back once more.
        if (newer) await superseding.supersede(record.deploymentId, newer);
        await this.started(record, build);
        return this.passTurn(delivery);
      }
      // What is known to have no build holds no place either, however this attempt ends.
      await projects.release(record.projectId, record.deploymentId);
    }
    const supersededBy = newer ?? record.supersededBy;
    if (supersededBy) {
      await this.supersede(record, supersededBy, claim);
      return this.passTurn(delivery);
    }
    const request = await this.withEnvironment(received, record);
    if (!request) {
      // The reconciler sends again what seems to be lost, with what the record knows.
      if (!delivery.isHint) return this.fail(delivery, record, claim, 'START_FAILED', ' Its buildEnvironment was lost with its message.');
      logger.warn('The environment for the app\'s build is gone; the message that has it comes by itself');
      await store.releaseClaim(record.deploymentId, claim.claimExpiresAt);
      return this.passTurn(delivery);
    }
    if (await this.reuse(request, record, claim)) return this.passTurn(delivery);
    if (!delivery.isHint && await capacity.isExhausted(claim.now)) return this.wait(delivery, request, record, claim, 'ACCOUNT_CAPACITY');
    if (!await projects.reserve(record.projectId, record.deploymentId)) {
      await this.wait(delivery, request, record, claim, 'PROJECT_LIMIT');
      return this.passTurn(delivery);
    }
    return this.startBuild(delivery, request, record, claim);
  }

  /** A hint that came to nothing, though CodeBuild was not asked: there is still room for another one. */
  public async passTurn(delivery: Delivery): Promise<void> {
    if (delivery.isHint) await this.callNext();
  }

  public mayWait(delivery: Delivery): boolean {
    return this.decideWait(delivery).action === 'put-back';
  }

  public async putBack(delivery: Delivery, createdAt: string): Promise<void> {
    const decision = this.decideWait(delivery);
    const delaySeconds = decision.action === 'put-back' ? decision.delaySeconds : NO_USE_WAITING_SECONDS;
    await delivery.putBack(createdAt, delaySeconds);
    logger.info('The request waits in the queue', { delaySeconds, requeues: delivery.requeues + 1 });
  }

  /** Who was called, or sent again, brings what the record knows of the request. Undefined: what else it needs is gone. */
  private async withEnvironment(request: BuildRequest, record: DeploymentRecord): Promise<BuildRequest | undefined> {
    if (request.buildEnvironment || !record.hasBuildEnvironment) return request;
    const buildEnvironment = await this.environments.find(request.deploymentId);
    return buildEnvironment && { ...request, buildEnvironment };
  }

  /** True: the commit has been built before, the deployment has ended. */
  private async reuse(request: BuildRequest, record: DeploymentRecord, claim: Claim): Promise<boolean> {
    const { branches, events, openDeployments, projects, store } = this.pipeline;
    const build = await this.preparation.findReusable(request);
    if (!build) return false;
    // As late as can be, as with a success after a build.
    const supersededBy = await branches.newerThan(record);
    const reused = await store.markReused(record.deploymentId, {
      artifacts: build.artifacts, reusedFrom: build.deploymentId, supersededBy, claimExpiresAt: claim.claimExpiresAt, completedAt: new Date().toISOString(),
    });
    if (!reused) throw new Error('The claim has passed on to another invocation');
    logger.info('The commit has been built before with the same settings: its artifacts are used again', { reusedFrom: build.deploymentId });
    // From an earlier attempt at a build, which has come to nothing.
    await projects.release(record.projectId, record.deploymentId);
    if (await events.tryToAnnounce(reused)) await openDeployments.close(reused);
    return true;
  }

  private async startBuild(delivery: Delivery, request: BuildRequest, record: DeploymentRecord, claim: Claim): Promise<void> {
    let secrets: Awaited<ReturnType<InstallSecrets['of']>>;
    try {
      secrets = request.withoutSecrets ? undefined : await this.secrets.of(request.projectId);
    } catch (error) {
      if (!(error instanceof InvalidInstallSecrets)) throw error;
      await this.pipeline.projects.release(record.projectId, record.deploymentId);
      return this.fail(delivery, record, claim, 'INVALID_INSTALL_SECRETS', ` ${error.message}.`);
    }
    const environment = [...requestVariables(request), ...await this.preparation.environment(request, secrets)];
    let build: Build | undefined;
    try {
      ({ build } = await this.codeBuild.send(new StartBuildCommand({
        projectName: this.pipeline.buildProject,
        // Within five minutes the same token gives the same build: it covers a quick redelivery.
        idempotencyToken: request.deploymentId,
        environmentVariablesOverride: environment,
      })));
    } catch (error) {
      logger.warn('Build was not started', { error: error as Error });
      return this.dealWithFailure(delivery, request, record, claim, error as Error);
    }
    await this.started(record, build!);
    // CodeBuild took this one: it may take more, unless it was full a moment ago and one build has ended since.
    if (!await this.pipeline.capacity.isExhausted(claim.now)) await this.callNext();
  }

  /** The build is there; the record may know it already, by the build's own event. */
  private async started(record: DeploymentRecord, build: Build): Promise<void> {
    const { builds, events, openDeployments, store, superseding } = this.pipeline;
    logger.appendKeys({ buildId: build.id });
    logger.info('Build started');
    const current = await store.markBuilding(record.deploymentId, referenceTo(build)) ?? await store.get(record.deploymentId);
    if (current?.buildId !== build.id) {
      logger.warn('The deployment has ended or belongs to another build: nobody wants this one', { status: current?.status });
      return builds.stop(build.id!);
    }
    if (current!.status !== 'building') return;
    await openDeployments.started(record, build.id!);
    await events.tryToAnnounce(current!);
    await superseding.stopIfSuperseded(current!);
  }

  private async dealWithFailure(delivery: Delivery, request: BuildRequest, record: DeploymentRecord, claim: Claim, error: Error): Promise<void> {
    const { capacity, projects, store } = this.pipeline;
    const decision = decideStartFailure({
      errorName: error.name,
      errorMessage: error.message,
      httpStatus: error instanceof CodeBuildServiceException ? error.$metadata.httpStatusCode : undefined,
      receiveCount: delivery.receiveCount,
      maxReceiveCount: this.limits.maxReceiveCount,
    });
    if (decision.action === 'find-out') {
      // The claim and the project's place stay: there may be a build.
      await delivery.comeBackAfter(Math.max(decision.visibilitySeconds, claim.claimExpiresAt - nowInSeconds() + 1));
      throw new HandledFailure(`build may have been started: ${error.name}`);
    }
    if (decision.action === 'wait') await capacity.exhausted(claim.now, decision.askAgainSeconds);
    await projects.release(record.projectId, record.deploymentId);
    switch (decision.action) {
      case 'wait':
        return this.wait(delivery, request, record, claim, 'ACCOUNT_CAPACITY');
      case 'retry':
        await store.releaseClaim(record.deploymentId, claim.claimExpiresAt);
        await delivery.comeBackAfter(decision.visibilitySeconds);
        throw new HandledFailure(`build not started: ${error.name}`);
      case 'fail':
        // Only the error's name: its text may hold account id and role, and the sentence is for tenants too. The log has it all.
        return this.fail(delivery, record, claim, 'START_FAILED', ` CodeBuild answered ${error.name}.`);
    }
  }

  private async wait(delivery: Delivery, request: BuildRequest, record: DeploymentRecord, claim: Claim, reason: WaitingReason): Promise<void> {
    const { openDeployments, projects, store } = this.pipeline;
    const decision = this.decideWait(delivery);
    if (decision.action === 'fail') return this.fail(delivery, record, claim, decision.failureCode);
    await this.environments.keep(request);
    // Before the claim is given back: this invocation's message is done with only then.
    if (!delivery.isHint) await this.putBack(delivery, record.createdAt);
    const released = await store.releaseClaim(record.deploymentId, claim.claimExpiresAt, reason);
    if (released?.supersededBy) {
      // Overtaken while it was claimed.
      await this.pipeline.superseding.endUnstarted(released, released.supersededBy);
      return;
    }
    // Only now can it be called.
    await projects.wait(record.projectId, Date.now());
    if (released?.announcedVersion === released?.version) {
      await openDeployments.waits(record, claim.now);
    }
  }

  private async supersede(record: DeploymentRecord, supersededBy: string, claim: Claim): Promise<void> {
    const { projects, superseding } = this.pipeline;
    await projects.release(record.projectId, record.deploymentId);
    await superseding.endUnstarted(record, supersededBy, claim.claimExpiresAt);
  }

  private async fail(delivery: Delivery, record: DeploymentRecord, claim: Claim, failureCode: FailureCode, detail = ''): Promise<never> {
    const { events, openDeployments, store } = this.pipeline;
    const failure = { failureCode, failureMessage: failureMessage(failureCode) + detail };
    const at = { claimExpiresAt: claim.claimExpiresAt, completedAt: new Date().toISOString() };
    const ended = await store.failUnstarted(record.deploymentId, failure, at);
    if (ended && await events.tryToAnnounce(ended)) await openDeployments.close(ended);
    await delivery.comeBackAfter(NO_USE_WAITING_SECONDS);
    throw new HandledFailure(`${failureCode}${detail}`);
  }

  /** Only a hint: if it gets lost, the one whose turn it is comes by itself. */
  private async callNext(): Promise<void> {
    try {
      await this.pipeline.line.callNext(Date.now());
    } catch (error) {
      logger.warn('The next deployment was not called', { error: error as Error });
    }
  }

  private decideWait(delivery: Delivery) {
    const waitedSeconds = delivery.waitedSeconds(Date.now());
    return decideWait({ requeues: delivery.requeues, waitedSeconds, retentionSeconds: this.limits.retentionSeconds });
  }
}

function requestVariables(request: BuildRequest) {
  return (Object.keys(BUILD_ENV) as (keyof typeof BUILD_ENV)[]).flatMap((field) => {
    const value = request[field];
    return value === undefined ? [] : [{ name: BUILD_ENV[field], value, type: 'PLAINTEXT' as const }];
  });
}

const nowInSeconds = () => Math.floor(Date.now() / 1000);
