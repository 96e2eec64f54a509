import { ConditionalCheckFailedException } from '@aws-sdk/client-dynamodb';
import { DynamoDBDocumentClient, GetCommand, UpdateCommand } from '@aws-sdk/lib-dynamodb';
import type { BuildRequest } from '../../src/contract/build-request';
import { DEPLOYMENTS_PARTITION_KEY, DeploymentArtifacts, DeploymentRecord } from '../../src/contract/deployment';
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

/**
 * Every write is one conditional update of one item. A condition that does not hold means that somebody was there first, which makes
 * duplicates, redeliveries and late events harmless; it is an answer (undefined), not an error. All other errors are thrown.
 */
export class DeploymentStore {
  constructor(private readonly client: DynamoDBDocumentClient, private readonly tableName: string) {}

  public async get(deploymentId: string): Promise<DeploymentRecord | undefined> {
    const { Item } = await this.client.send(new GetCommand({ TableName: this.tableName, Key: this.key(deploymentId), ConsistentRead: true }));
    return Item as DeploymentRecord | undefined;
  }

  /**
   * Takes the right to start the build until `claimExpiresAt`, and creates the record if the producer did not.
   * Undefined: the deployment was started, is being started, has ended, or is another one under the same id.
   */
  public async claim(request: BuildRequest, claim: { now: number; claimExpiresAt: number; createdAt: string }): Promise<DeploymentRecord | undefined> {
    const { deploymentId, ...fields } = request;
    return this.update(deploymentId, {
      set: { ...fields, status: 'queued', claimExpiresAt: claim.claimExpiresAt },
      setIfAbsent: { createdAt: claim.createdAt },
      // A record that a producer wrote may lack any of these; what is there must not be another deployment's.
      condition: '(attribute_not_exists(#status) OR #status = :queued)'
        + ' AND (attribute_not_exists(#projectId) OR #projectId = :projectId) AND (attribute_not_exists(#commitSha) OR #commitSha = :commitSha)'
        + ' AND (attribute_not_exists(#claimExpiresAt) OR #claimExpiresAt <= :now)',
      values: { queued: 'queued', now: claim.now },
    });
  }

  /** Gives the claim back after a start that failed, so that the next delivery of the message need not wait for its end. */
  public async releaseClaim(deploymentId: string, claimExpiresAt: number): Promise<void> {
    await this.update(deploymentId, {
      remove: ['claimExpiresAt'],
      condition: '#claimExpiresAt = :mine',
      values: { mine: claimExpiresAt },
    });
  }

  public async markBuilding(deploymentId: string, build: BuildReference): Promise<DeploymentRecord | undefined> {
    return this.update(deploymentId, {
      set: { status: 'building', ...build },
      remove: ['claimExpiresAt'],
      condition: '#status = :queued',
      values: { queued: 'queued' },
    });
  }

  /**
   * Ends a deployment whose build was never started. Creates the record if nobody did, from the fields that could be read.
   * Undefined: the deployment was started, has ended, or is another one under the same id.
   */
  public async failBeforeStart(
    deploymentId: string, failure: DeploymentFailure, details: Partial<BuildRequest>, at: { createdAt: string; completedAt: string },
  ): Promise<DeploymentRecord | undefined> {
    const { deploymentId: _, ...fields } = details;
    const sameDeployment = (['projectId', 'commitSha'] as const).filter((name) => fields[name] !== undefined)
      .map((name) => ` AND (attribute_not_exists(#${name}) OR #${name} = :${name})`).join('');
    return this.update(deploymentId, {
      set: { status: 'failed', completedAt: at.completedAt, ...failure },
      setIfAbsent: { createdAt: at.createdAt, ...fields },
      remove: ['claimExpiresAt'],
      condition: `(attribute_not_exists(#status) OR #status = :queued)${sameDeployment}`,
      values: { queued: 'queued' },
    });
  }

  public async markSuccess(
    deploymentId: string, build: BuildReference, artifacts: DeploymentArtifacts, completedAt: string,
  ): Promise<DeploymentRecord | undefined> {
    return this.endBuild(deploymentId, build, { status: 'success', artifacts, completedAt });
  }

  public async markFailed(
    deploymentId: string, build: BuildReference, failure: DeploymentFailure, completedAt: string,
  ): Promise<DeploymentRecord | undefined> {
    return this.endBuild(deploymentId, build, { status: 'failed', ...failure, completedAt });
  }

  /** The end may be known before the orchestrator has written the start: then this write carries the build's id as well. */
  private async endBuild(deploymentId: string, build: BuildReference, fields: Record<string, unknown>): Promise<DeploymentRecord | undefined> {
    return this.update(deploymentId, {
      set: fields,
      setIfAbsent: { ...build },
      remove: ['claimExpiresAt'],
      condition: '(#status = :queued OR #status = :building) AND (attribute_not_exists(#buildId) OR #buildId = :buildId)',
      values: { queued: 'queued', building: 'building' },
    });
  }

  private key(deploymentId: string) {
    return { [DEPLOYMENTS_PARTITION_KEY]: deploymentId };
  }

  private async update(deploymentId: string, change: {
    readonly set?: Record<string, unknown>;
    readonly setIfAbsent?: Record<string, unknown>;
    readonly remove?: string[];
    readonly condition: string;
    readonly values: Record<string, unknown>;
  }): Promise<DeploymentRecord | undefined> {
    const defined = (fields: Record<string, unknown> = {}) => Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined));
    const [set, setIfAbsent, remove] = [defined(change.set), defined(change.setIfAbsent), change.remove ?? []];
    const assignments = [
      ...Object.keys(set).map((name) => `#${name} = :${name}`),
      ...Object.keys(setIfAbsent).map((name) => `#${name} = if_not_exists(#${name}, :${name})`),
    ];
    const names = [...Object.keys(set), ...Object.keys(setIfAbsent), ...remove, ...[...change.condition.matchAll(/#(\w+)/g)].map(([, name]) => name)];
    try {
      const { Attributes } = await this.client.send(new UpdateCommand({
        TableName: this.tableName,
        Key: this.key(deploymentId),
        UpdateExpression: [
          ...(assignments.length ? [`SET ${assignments.join(', ')}`] : []),
          ...(remove.length ? [`REMOVE ${remove.map((name) => `#${name}`).join(', ')}`] : []),
        ].join(' '),
        ConditionExpression: change.condition,
        ExpressionAttributeNames: Object.fromEntries(names.map((name) => [`#${name}`, name])),
        ExpressionAttributeValues: Object.fromEntries(Object.entries({ ...set, ...setIfAbsent, ...change.values }).map(([name, value]) => [`:${name}`, value])),
        ReturnValues: 'ALL_NEW',
      }));
      return Attributes as DeploymentRecord;
    } catch (error) {
      if (error instanceof ConditionalCheckFailedException) return undefined;
      throw error;
    }
  }
}
