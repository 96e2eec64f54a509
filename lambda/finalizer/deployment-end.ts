import { Build } from '@aws-sdk/client-codebuild';
import { BuildReport, MAX_MANIFEST_BYTES, readBuildReport } from './build-report';
import { concurrently } from './concurrently';
import { refusalOfZip } from './function-zip';
import { planPromotion, PromotionPlan, Refusal } from './promotion-plan';
import { PromotionProgress } from './promotion-progress';
import { RefusedObjectError, StagingArea } from './staging-area';
import { COMMIT_SHA_PATTERN, ID_PATTERN } from '../../src/contract/build-request';
import { DeploymentArtifacts, DeploymentRecord, TERMINAL_STATUSES } from '../../src/contract/deployment';
import { FailureCode, failureMessage } from '../../src/contract/failure-codes';
import { artifactsPrefix, LAMBDA_ZIP, MANIFEST, staticPrefix } from '../../src/contract/keys';
import { attempt } from '../shared/attempt';
import { BuildOutcome, outcomeOf } from '../shared/build-outcome';
import { deploymentIdOf, inputsOf, referenceTo } from '../shared/builds';
import { BuildReference } from '../shared/deployment-store';
import { logger } from '../shared/logger';
import { Pipeline } from '../shared/pipeline';

/** One period of the reconciler: so long a deployment is left alone whose finalizer died. It is prolonged while artifacts are promoted. */
const CLAIM_SECONDS = 300;
/** Together with all tries of one copy (see aws-clients.ts) less than the claim: no copy is begun after it. */
const PROLONG_AFTER_SECONDS = 60;

/** Each may take 50 MB of the function's memory, if it is a hostile one. */
const CONCURRENT_ZIPS = 4;

type AcceptablePlan = PromotionPlan & { acceptable: true };

/** The record this build belongs to; 'another' if that deployment has another build. */
export async function deploymentOf(build: Build, { store }: Pipeline): Promise<DeploymentRecord | 'none' | 'another'> {
  const deploymentId = deploymentIdOf(build);
  if (!deploymentId) {
    logger.warn('The build belongs to no deployment: it was not started by the orchestrator');
    return 'none';
  }
  const record = await store.get(deploymentId);
  if (!record) {
    logger.warn('The deployment of this build has no record any more');
    return 'none';
  }
  const isOver = TERMINAL_STATUSES.includes(record.status);
  if (record.buildId === undefined ? isOver : record.buildId !== build.id) {
    logger.warn('The deployment belongs to another build, or ended without one', { buildId: record.buildId, status: record.status });
    return 'another';
  }
  if (!ID_PATTERN.test(record.projectId) || !COMMIT_SHA_PATTERN.test(record.commitSha)) {
    throw new Error(`The record of deployment ${deploymentId} has been changed: its projectId or commitSha cannot be part of an object key`);
  }
  return record;
}

/** Ends the deployment of a build that has ended. Any number of invocations may try; one at a time does it. */
export class DeploymentEnd {
  private readonly reference: BuildReference;
  /** Epoch seconds. */
  private claimedAt = 0;
  private prolonging?: Promise<void>;
  /** What is left to do when the deployment has succeeded and everybody knows. */
  private afterwards?: () => Promise<void>;

  constructor(
    private readonly pipeline: Pipeline, private readonly build: Build, private readonly staging: StagingArea, private readonly invocationId: string,
  ) {
    this.reference = referenceTo(build);
  }

  /** False: another invocation is at it. */
  public async end(record: DeploymentRecord): Promise<boolean> {
    const { events, store } = this.pipeline;
    let ended: DeploymentRecord | undefined = record;
    if (!TERMINAL_STATUSES.includes(record.status)) {
      const claimed = await this.claim(record);
      // Somebody was first. It may have been this very write, whose answer got lost and which the SDK repeated: ask who it was.
      ended = claimed ? await this.endClaimed(claimed) ?? await store.get(record.deploymentId) : await store.get(record.deploymentId);
      if (ended && !TERMINAL_STATUSES.includes(ended.status)) {
        logger.info('Another invocation is ending this deployment');
        return false;
      }
    }
    if (ended) {
      // Also for a deployment that had ended before: the earlier attempt may have died between the record and the event.
      await events.announce(ended);
      logger.info('Deployment ended', { status: ended.status, failureCode: ended.failureCode, supersededBy: ended.supersededBy });
    }
    await this.afterwards?.();
    return true;
  }

  private async claim({ deploymentId }: DeploymentRecord): Promise<DeploymentRecord | undefined> {
    const now = Math.floor(Date.now() / 1000);
    const claim = { now, claimExpiresAt: now + CLAIM_SECONDS, claimedBy: this.invocationId };
    const claimed = await this.pipeline.store.claimEnd(deploymentId, this.reference, claim);
    if (claimed) this.claimedAt = now;
    return claimed;
  }

  private async endClaimed(record: DeploymentRecord): Promise<DeploymentRecord | undefined> {
    // What the record said until now, if nobody could tell.
    await this.pipeline.events.announce(record);
    const outcome: BuildOutcome = outcomeOf(this.build);
    if (outcome === 'running') throw new Error(`Build ${this.build.id} is still running`);
    if (outcome === 'succeeded') return this.promoteAndSucceed(record);
    if (outcome === 'STOPPED' && record.supersededBy !== undefined) {
      return this.pipeline.store.markSuperseded(record.deploymentId, this.reference, new Date().toISOString());
    }
    return this.fail(record, outcome);
  }

  private async promoteAndSucceed(record: DeploymentRecord): Promise<DeploymentRecord | undefined> {
    const { branches, store } = this.pipeline;
    const plan = planPromotion(await this.staging.list(), record);
    if (!plan.acceptable) return this.refuse(record, plan);
    const report = await this.readReport(record, plan);
    try {
      const refusal = await this.refusalOfFunctions(record, plan);
      if (refusal) return await this.refuse(record, refusal);
      await this.promote(record, plan);
    } catch (error) {
      if (!(error instanceof RefusedObjectError)) throw error;
      return this.refuse(record, { acceptable: false, failureCode: 'ARTIFACTS_INVALID', problem: error.message });
    }
    // As late as can be: whoever goes live on the event must know of every newer deployment.
    const supersededBy = await branches.newerThan(record) ?? record.supersededBy;
    const artifacts = describeArtifacts(record, plan);
    const succeeded = await store.markSuccess(record.deploymentId, this.reference, {
      artifacts, supersededBy, completedAt: new Date().toISOString(), ...report,
    });
    if (succeeded) this.afterwards = () => this.prepareNextBuild(record, plan, artifacts, report);
    return succeeded;
  }

  private async refusalOfFunctions(record: DeploymentRecord, { functionZips }: AcceptablePlan): Promise<Refusal | undefined> {
    const refusals: Refusal[] = [];
    await concurrently(functionZips, CONCURRENT_ZIPS, async (zip) => {
      await this.prolongClaim(record);
      const refusal = await refusalOfZip(zip, (start, end) => this.staging.readRange(zip, start, end));
      if (refusal) refusals.push(refusal);
    });
    return refusals[0];
  }

  /** Goes on where an earlier try died; the manifest last. */
  private async promote(record: DeploymentRecord, { manifest, promotions }: AcceptablePlan): Promise<void> {
    const { promotionNotes } = this.pipeline;
    const { buildId } = this.reference;
    const earlier = await attempt('How far the promotion had come is not known', undefined, () => promotionNotes.find(buildId));
    const progress = new PromotionProgress(promotions, earlier, (noted) => {
      return attempt('How far the promotion has come is not noted', undefined, () => promotionNotes.note(buildId, noted));
    });
    if (progress.remaining.length < promotions.length) logger.info('The promotion goes on', { copied: promotions.length - progress.remaining.length });
    const stayClaimed = () => this.prolongClaim(record);
    await this.staging.promote(progress.remaining, stayClaimed, (promotion) => progress.copied(promotion));
    await this.staging.promote([manifest], stayClaimed);
  }

  private async refuse(record: DeploymentRecord, { failureCode, problem }: Refusal): Promise<DeploymentRecord | undefined> {
    logger.error('What the build stored is not acceptable', { problem });
    return this.fail(record, failureCode, problem);
  }

  private async readReport({ projectId }: DeploymentRecord, { manifest, manifestBytes }: AcceptablePlan): Promise<BuildReport> {
    if (manifestBytes > MAX_MANIFEST_BYTES) return {};
    return attempt('The build is not reported on', {}, async () => {
      const [text, accounts] = await Promise.all([this.staging.read(manifest), this.pipeline.cacheAccounts.of(projectId)]);
      return readBuildReport(text, accounts);
    });
  }

  /** What makes the next build faster, or needless. That build can do without it: nothing here is tried again. */
  private async prepareNextBuild(record: DeploymentRecord, plan: AcceptablePlan, artifacts: DeploymentArtifacts, { cache }: BuildReport): Promise<void> {
    const { cacheAccounts, promotedArtifacts } = this.pipeline;
    const inputs = inputsOf(this.build);
    await Promise.all([
      attempt('The cache is not kept', undefined, () => this.staging.promote(plan.cache, async () => {})),
      attempt('The cache is not accounted for', undefined, async () => {
        // What anybody's branch, or a stranger's code, says must not decide what the default branch's builds do.
        if (cache && !record.withoutSecrets && (record.defaultBranch ?? record.branch) === record.branch) await cacheAccounts.settle(record.projectId, cache);
      }),
      attempt('The artifacts will not be used again', undefined, async () => {
        if (inputs !== undefined) await promotedArtifacts.add(record, { deploymentId: record.deploymentId, inputs, artifacts });
      }),
    ]);
  }

  private async fail(record: DeploymentRecord, failureCode: FailureCode, reason?: string): Promise<DeploymentRecord | undefined> {
    const sentence = failureMessage(failureCode) + (reason === undefined ? '' : ` Reason: ${reason}.`);
    return this.pipeline.store.markFailed(record.deploymentId, this.reference, { failureCode, failureMessage: sentence }, new Date().toISOString());
  }

  /** Nothing is copied before the claim is known to last: the listing, or a copy, may have taken longer than that. */
  private async prolongClaim(record: DeploymentRecord): Promise<void> {
    if (Date.now() / 1000 < this.claimedAt + PROLONG_AFTER_SECONDS) return;
    this.prolonging ??= this.claim(record).then((claimed) => {
      if (!claimed) throw new Error('Promotion took so long that another invocation has taken it over');
    }).finally(() => {
      this.prolonging = undefined;
    });
    await this.prolonging;
  }
}

function describeArtifacts(record: DeploymentRecord, plan: AcceptablePlan): DeploymentArtifacts {
  const prefix = artifactsPrefix(record);
  return {
    artifactsPrefix: prefix,
    staticPrefix: staticPrefix(record),
    lambdaKey: prefix + LAMBDA_ZIP,
    manifestKey: prefix + MANIFEST,
    objectCount: plan.promotions.length + 1,
    totalBytes: plan.totalBytes,
  };
}
