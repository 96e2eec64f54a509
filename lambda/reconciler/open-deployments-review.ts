import type { Build } from '@aws-sdk/client-codebuild';
import { decideRepair, Found, isWaitingDuly, Repair, repairLost, Rules } from './decision';
import { Finalizer, tellFinalizer } from './finalizer';
import { REQUEUE_ATTRIBUTES } from '../../src/contract/build-request';
import type { DeploymentRecord } from '../../src/contract/deployment';
import { FailureCode, failureMessage } from '../../src/contract/failure-codes';
import { STATE_KINDS } from '../../src/contract/state-table';
import { logger } from '../shared/logger';
import { Pipeline } from '../shared/pipeline';
import { requestMessage } from '../shared/request-message';
import type { OpenDeployment } from '../shared/state/open-deployments';

/** As many builds as BatchGetBuilds takes. */
const PAGE = 100;

/** Each takes a few calls of some milliseconds. */
const AT_A_TIME = 10;

const CURSOR = 'open deployments';

/** Goes through everything that is open, page by page; where its time ends, the next run goes on. */
export class OpenDeploymentsReview {
  constructor(private readonly pipeline: Pipeline, private readonly finalizer: Finalizer, private readonly rules: Omit<Rules, 'now'>) {}

  public async run(hasTime: () => boolean): Promise<void> {
    const { openDeployments, state } = this.pipeline;
    const failures: unknown[] = [];
    let after = (await state.get<{ after?: string }>(STATE_KINDS.cursor, CURSOR))?.after;
    do {
      const { items, next } = await openDeployments.page(after, PAGE);
      try {
        await this.reviewPage(items.filter((open) => !isWaitingDuly(open, new Date())));
      } catch (error) {
        // The pages behind it must not wait for one that cannot be dealt with.
        logger.error('A page of open deployments was not reviewed; the next round tries again', error as Error);
        failures.push(error);
      }
      after = next;
      // Also after the last page: the next run begins anew.
      await state.update(STATE_KINDS.cursor, CURSOR, after === undefined ? { remove: ['after'] } : { set: { after } });
    } while (after !== undefined && hasTime());
    if (failures.length > 0) throw failures[0];
  }

  private async reviewPage(page: readonly OpenDeployment[]): Promise<void> {
    const { builds, store } = this.pipeline;
    const records = await inParallel(page, async ({ deploymentId }) => store.get(deploymentId));
    const buildIds = page.map((open, index) => records[index] ? records[index].buildId : open.buildId);
    const known = new Map((await builds.get(buildIds.filter((id) => id !== undefined))).map((build) => [build.id!, build]));
    const failures: unknown[] = [];
    await inParallel(page, async (open, index) => {
      const record = records[index];
      const build = known.get(buildIds[index] ?? '');
      try {
        await this.review(open, record, build);
      } catch (error) {
        logger.error('An open deployment could not be repaired; the next run tries again', { deploymentId: open.deploymentId, error: error as Error });
        failures.push(error);
      }
    });
    if (failures.length === page.length && page.length > 0) throw failures[0];
  }

  private async review(open: OpenDeployment, record: DeploymentRecord | undefined, build: Build | undefined): Promise<void> {
    const { branches, events, openDeployments, projects } = this.pipeline;
    // Of a record that was removed, or that another producer wrote first: that one has an entry of its own.
    if (record && (record.createdAt !== open.createdAt || record.projectId !== open.projectId)) return openDeployments.close(open);
    const isAnnounced = !record || await events.tryToAnnounce(record);
    if (record?.buildId !== undefined && record.buildId !== open.buildId) await openDeployments.started(open, record.buildId);
    if (record?.status === 'queued' && record.startAttemptedAt === undefined && (await projects.placesOf(open.projectId)).has(open.deploymentId)) {
      // Its holder died between giving up the start and giving back the place.
      await projects.release(open.projectId, open.deploymentId);
    }
    const found: Found = { open, record, build, newerDeploymentId: record && await branches.newerThan(record) };
    const rules = { ...this.rules, now: new Date() };
    const repair = decideRepair(found, rules);
    if (repair.action !== 'nothing') logger.info('Repairing a deployment', { deploymentId: open.deploymentId, status: record?.status, repair: repair.action });
    if (repair.action !== 'close' || isAnnounced) await this.act(repair, found, rules);
  }

  private async act(repair: Repair, { open, record }: Pick<Found, 'open' | 'record'>, rules: Rules): Promise<void> {
    const { builds, openDeployments, projects, superseding } = this.pipeline;
    switch (repair.action) {
      case 'nothing': return undefined;
      case 'close':
        await projects.release(open.projectId, open.deploymentId);
        return record ? openDeployments.close(open) : openDeployments.closeUnlessSeen(open);
      case 'finalize': return tellFinalizer(this.finalizer, repair.build);
      case 'stop-build': return builds.stop(repair.buildId);
      case 'fail-build': return this.failBuild(record!, repair.failureCode);
      case 'fail-unstarted': return this.failUnstarted(record!, repair.failureCode);
      case 'supersede': return superseding.supersede(open.deploymentId, repair.newerDeploymentId);
      case 'send': return this.send(open, record!);
      case 'send-again': return this.sendAgain(open, record!);
      case 'look-for-build': {
        const build = await builds.findOf(open.deploymentId, repair.since);
        if (build) return tellFinalizer(this.finalizer, build);
        return this.act(repairLost(open, record!, rules), { open, record }, rules);
      }
    }
  }

  private async failBuild(record: DeploymentRecord, failureCode: FailureCode): Promise<void> {
    const { events, openDeployments, projects, store } = this.pipeline;
    const { buildId, buildStartedAt, logsUrl } = record;
    const failure = { failureCode, failureMessage: failureMessage(failureCode) };
    const build = { buildId: buildId!, buildStartedAt: buildStartedAt!, logsUrl: logsUrl! };
    const failed = await store.markFailed(record.deploymentId, build, failure, new Date().toISOString());
    if (!failed) return;
    await projects.release(record.projectId, record.deploymentId);
    // Of a build that CodeBuild still knows, the finalizer removes what it has stored, and then the entry.
    if (await events.tryToAnnounce(failed) && failureCode === 'CODEBUILD_FAULT') await openDeployments.close(record);
  }

  private async failUnstarted(record: DeploymentRecord, failureCode: FailureCode): Promise<void> {
    const { events, openDeployments, projects, store } = this.pipeline;
    const at = { claimExpiresAt: record.claimExpiresAt, completedAt: new Date().toISOString() };
    const failed = await store.failUnstarted(record.deploymentId, { failureCode, failureMessage: failureMessage(failureCode) }, at);
    if (!failed) return;
    await projects.release(record.projectId, record.deploymentId);
    if (await events.tryToAnnounce(failed)) await openDeployments.close(record);
  }

  private async send(open: OpenDeployment, record: DeploymentRecord): Promise<void> {
    const { openDeployments, queueUrl, sqs } = this.pipeline;
    await sqs.send(requestMessage(queueUrl, record));
    await openDeployments.sent(open, Math.floor(Date.now() / 1000));
  }

  private async sendAgain(open: OpenDeployment, record: DeploymentRecord): Promise<void> {
    const { openDeployments, queueUrl, sqs } = this.pipeline;
    const firstSentAt = { DataType: 'Number', StringValue: String(new Date(record.createdAt).getTime()) };
    await sqs.send(requestMessage(queueUrl, record, { [REQUEUE_ATTRIBUTES.firstSentAt]: firstSentAt }));
    await openDeployments.resent(open, Math.floor(Date.now() / 1000));
  }
}

async function inParallel<T, R>(items: readonly T[], work: (item: T, index: number) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const entries = items.entries();
  const worker = async () => {
    for (const [index, item] of entries) results[index] = await work(item, index);
  };
  await Promise.all(Array.from({ length: AT_A_TIME }, worker));
  return results;
}
