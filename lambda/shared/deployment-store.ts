import { DynamoDBDocumentClient, GetCommand } from '@aws-sdk/lib-dynamodb';
import { conditionalUpdate, ItemChange } from './conditional-update';
import type { BuildRequest, RecordedRequest } from '../../src/contract/build-request';
import { DEPLOYMENTS_PARTITION_KEY, DeploymentArtifacts, DeploymentRecord, WaitingReason } from '../../src/contract/deployment';
import { FailureCode } from '../../src/contract/failure-codes';

/** The build that a write belongs to. */
export interface BuildReference {
  readonly buildId: string;
  readonly buildStartedAt: string;
  readonly logsUrl: string;
}

export interface DeploymentFailure {
  readonly failureCode: FailureCode;
  readonly failureMessage: string;
}

export interface SuccessfulEnd extends Pick<DeploymentRecord, 'supersededBy' | 'timings' | 'cache' | 'warnings'> {
  readonly artifacts: DeploymentArtifacts;
  readonly completedAt: string;
}

/** What a record has only while its deployment has not ended. */
const WORKING_FIELDS = ['claimExpiresAt', 'claimedBy', 'startAttemptedAt', 'waitingReason'];

const UNCLAIMED = '(attribute_not_exists(#claimExpiresAt) OR #claimExpiresAt <= :now)';

/**
 * The deployments' records, which are the truth about them. Every write is one conditional update of one item. A condition that does not
 * hold means that somebody was there first, which makes duplicates, redeliveries and late events harmless; it is an answer (undefined),
 * not an error. All other errors are thrown. Whoever changes the status counts up the version.
 */
export class DeploymentStore {
  constructor(private readonly client: DynamoDBDocumentClient, private readonly tableName: string) {}

  public async get(deploymentId: string): Promise<DeploymentRecord | undefined> {
    const { Item } = await this.client.send(new GetCommand({ TableName: this.tableName, Key: this.key(deploymentId), ConsistentRead: true }));
    return Item as DeploymentRecord | undefined;
  }

  /**
   * Writes the record of a request that is about to be sent. It has no version, and nobody is told: that is for whoever receives the
   * request. Undefined: there is a record of this id.
   */
  public async create({ deploymentId, ...fields }: RecordedRequest, createdAt: string): Promise<DeploymentRecord | undefined> {
    return this.update(deploymentId, {
      set: { ...fields, status: 'queued', createdAt },
      condition: `attribute_not_exists(#${DEPLOYMENTS_PARTITION_KEY})`,
    });
  }

  /**
   * Takes the right to start the build until `claimExpiresAt`, and creates the record if the producer did not. From then on there may be
   * a build: `startAttemptedAt` says since when. If it is older than `now`, an earlier claim ended without a word about it.
   * Undefined: the deployment was started, is being started, has ended, or is another one under the same id.
   */
  public async claim(request: BuildRequest, claim: { now: number; claimExpiresAt: number; createdAt: string }): Promise<DeploymentRecord | undefined> {
    const { buildEnvironment, deploymentId, ...fields } = request;
    return this.update(deploymentId, {
      set: { ...fields, hasBuildEnvironment: buildEnvironment && true, status: 'queued', claimExpiresAt: claim.claimExpiresAt },
      setIfAbsent: { createdAt: claim.createdAt, startAttemptedAt: claim.now, version: 1 },
      // A record that a producer wrote may lack any of these; what is there must not be another deployment's.
      condition: '(attribute_not_exists(#status) OR #status = :queued)'
        + ' AND (attribute_not_exists(#projectId) OR #projectId = :projectId) AND (attribute_not_exists(#commitSha) OR #commitSha = :commitSha)'
        + ` AND ${UNCLAIMED}`,
      values: { queued: 'queued', now: claim.now },
    });
  }

  /** Gives the claim back: there is no build, and the next who wants to start it need not wait for the claim's end. */
  public async releaseClaim(deploymentId: string, claimExpiresAt: number, waitingReason?: WaitingReason): Promise<DeploymentRecord | undefined> {
    return this.update(deploymentId, {
      set: { waitingReason },
      remove: ['claimExpiresAt', 'startAttemptedAt'],
      condition: '#status = :queued AND #claimExpiresAt = :mine',
      values: { queued: 'queued', mine: claimExpiresAt },
    });
  }

  /** Ends a deployment with the artifacts of another one's build. Undefined: the claim is not the caller's any more. */
  public async markReused(
    deploymentId: string, end: { artifacts: DeploymentArtifacts; reusedFrom: string; supersededBy?: string; claimExpiresAt: number; completedAt: string },
  ): Promise<DeploymentRecord | undefined> {
    const { claimExpiresAt, ...fields } = end;
    return this.changeStatus(deploymentId, {
      set: { status: 'success', ...fields },
      remove: WORKING_FIELDS,
      condition: '#status = :queued AND #claimExpiresAt = :mine',
      values: { queued: 'queued', mine: claimExpiresAt },
    });
  }

  /** Undefined: somebody wrote it before, or the deployment has ended, or is being ended. */
  public async markBuilding(deploymentId: string, build: BuildReference): Promise<DeploymentRecord | undefined> {
    return this.changeStatus(deploymentId, {
      set: { status: 'building', ...build },
      remove: WORKING_FIELDS,
      condition: '#status = :queued AND attribute_not_exists(#claimedBy)',
      values: { queued: 'queued' },
    });
  }

  /**
   * Ends a deployment that no build was started for. Undefined: it was started, or has ended, or somebody may be starting it.
   * `claimExpiresAt` is the caller's own claim, or the expired one that the record had when the caller found that there is no build: if it
   * was claimed since, there may be one after all.
   */
  public async failUnstarted(
    deploymentId: string, failure: DeploymentFailure, at: { claimExpiresAt?: number; completedAt: string },
  ): Promise<DeploymentRecord | undefined> {
    return this.changeStatus(deploymentId, {
      set: { status: 'failed', completedAt: at.completedAt, ...failure },
      remove: WORKING_FIELDS,
      condition: `#status = :queued AND ${at.claimExpiresAt === undefined ? 'attribute_not_exists(#claimExpiresAt)' : '#claimExpiresAt = :known'}`,
      values: { queued: 'queued', ...(at.claimExpiresAt === undefined ? {} : { known: at.claimExpiresAt }) },
    });
  }

  /**
   * Ends the deployment of a request that nobody could begin to work on; creates the record if nobody did, from the fields that could be
   * read. Undefined: a good request under the same id was there before, or the record is another deployment's.
   */
  public async failUnseen(
    deploymentId: string, failure: DeploymentFailure, details: Partial<BuildRequest>, at: { createdAt: string; completedAt: string },
  ): Promise<DeploymentRecord | undefined> {
    const { buildEnvironment: _, deploymentId: __, ...fields } = details;
    const sameDeployment = (['projectId', 'commitSha'] as const).filter((name) => fields[name] !== undefined)
      .map((name) => ` AND (attribute_not_exists(#${name}) OR #${name} = :${name})`).join('');
    return this.changeStatus(deploymentId, {
      set: { status: 'failed', completedAt: at.completedAt, ...failure },
      setIfAbsent: { createdAt: at.createdAt, ...fields },
      condition: `attribute_not_exists(#version) AND (attribute_not_exists(#status) OR #status = :queued)${sameDeployment}`,
      values: { queued: 'queued' },
    });
  }

  /** A request that was sent after its deployment had failed without a build begins it anew: a redrive of the dead-letter queue does that. */
  public async reopen(deploymentId: string, sentAt: string): Promise<DeploymentRecord | undefined> {
    return this.changeStatus(deploymentId, {
      set: { status: 'queued' },
      remove: ['completedAt', 'failureCode', 'failureMessage', ...WORKING_FIELDS],
      condition: '#status = :failed AND attribute_not_exists(#buildId) AND #completedAt < :sentAt',
      values: { failed: 'failed', sentAt },
    });
  }

  /** Notes that a newer deployment of the branch was queued. Undefined: this one has ended. */
  public async noteNewer(deploymentId: string, newerDeploymentId: string): Promise<DeploymentRecord | undefined> {
    return this.update(deploymentId, {
      set: { supersededBy: newerDeploymentId },
      condition: '#status = :queued OR #status = :building',
      values: { queued: 'queued', building: 'building' },
    });
  }

  /**
   * Ends a deployment that is not needed any more and has no build. Undefined: it may have one, or has ended.
   * `claimExpiresAt` is the caller's own claim, if it has one.
   */
  public async supersedeUnstarted(
    deploymentId: string, newerDeploymentId: string, at: { claimExpiresAt?: number; completedAt: string },
  ): Promise<DeploymentRecord | undefined> {
    return this.changeStatus(deploymentId, {
      set: { status: 'superseded', supersededBy: newerDeploymentId, completedAt: at.completedAt },
      remove: WORKING_FIELDS,
      condition: '#status = :queued AND (attribute_not_exists(#startAttemptedAt) OR #claimExpiresAt = :mine)',
      values: { queued: 'queued', mine: at.claimExpiresAt ?? 0 },
    });
  }

  /**
   * Takes the right to end the deployment of this build until `claimExpiresAt`, or prolongs it. Undefined: somebody else is at it, or it
   * has ended. Lambda gives every try of an event the same id: the try after a crash need not wait for the claim's end.
   */
  public async claimEnd(
    deploymentId: string, build: BuildReference, claim: { now: number; claimExpiresAt: number; claimedBy: string },
  ): Promise<DeploymentRecord | undefined> {
    return this.update(deploymentId, {
      set: { claimExpiresAt: claim.claimExpiresAt, claimedBy: claim.claimedBy },
      // The end may be known before the start was written.
      setIfAbsent: { ...build },
      condition: '(#status = :queued OR #status = :building) AND (attribute_not_exists(#buildId) OR #buildId = :buildId)'
        + ` AND (${UNCLAIMED} OR #claimedBy = :claimedBy)`,
      values: { queued: 'queued', building: 'building', now: claim.now },
    });
  }

  public async markSuccess(
    deploymentId: string, build: BuildReference, end: SuccessfulEnd,
  ): Promise<DeploymentRecord | undefined> {
    return this.endBuild(deploymentId, build, { status: 'success', ...end });
  }

  public async markFailed(
    deploymentId: string, build: BuildReference, failure: DeploymentFailure, completedAt: string,
  ): Promise<DeploymentRecord | undefined> {
    return this.endBuild(deploymentId, build, { status: 'failed', ...failure, completedAt });
  }

  /** The build was stopped because of `supersededBy`, which the record has since then. */
  public async markSuperseded(deploymentId: string, build: BuildReference, completedAt: string): Promise<DeploymentRecord | undefined> {
    return this.endBuild(deploymentId, build, { status: 'superseded', completedAt });
  }

  public async markAnnounced(deploymentId: string, version: number): Promise<void> {
    await this.update(deploymentId, {
      set: { announcedVersion: version },
      condition: 'attribute_exists(#status) AND (attribute_not_exists(#announcedVersion) OR #announcedVersion < :announcedVersion)',
      values: {},
    });
  }

  private async endBuild(deploymentId: string, build: BuildReference, fields: Record<string, unknown>): Promise<DeploymentRecord | undefined> {
    return this.changeStatus(deploymentId, {
      set: fields,
      setIfAbsent: { ...build },
      remove: WORKING_FIELDS,
      condition: '(#status = :queued OR #status = :building) AND (attribute_not_exists(#buildId) OR #buildId = :buildId)',
      values: { queued: 'queued', building: 'building' },
    });
  }

  private async changeStatus(deploymentId: string, change: ItemChange): Promise<DeploymentRecord | undefined> {
    return this.update(deploymentId, { ...change, count: 'version' });
  }

  private async update(deploymentId: string, change: ItemChange): Promise<DeploymentRecord | undefined> {
    return conditionalUpdate<DeploymentRecord>(this.client, { TableName: this.tableName, Key: this.key(deploymentId) }, change);
  }

  private key(deploymentId: string) {
    return { [DEPLOYMENTS_PARTITION_KEY]: deploymentId };
  }
}
