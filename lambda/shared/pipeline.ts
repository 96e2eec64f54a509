import { codeBuildClient, dynamoDbClient, eventBridgeClient, sqsClient } from './aws-clients';
import { Builds } from './builds';
import { DeploymentStore } from './deployment-store';
import { requiredEnv } from './environment';
import { Branches } from './state/branches';
import { CacheAccounts } from './state/cache-accounts';
import { Capacity } from './state/capacity';
import { OpenDeployments } from './state/open-deployments';
import { Projects } from './state/projects';
import { PromotedArtifacts } from './state/promoted-artifacts';
import { PromotionNotes } from './state/promotion-notes';
import { StateTable } from './state/state-table';
import { WaitingLine } from './state/waiting-line';
import { StatusEvents } from './status-events';
import { Superseding } from './superseding';
import { HANDLER_ENV } from '../../src/contract/environment';

/** What every handler works with, put together from the environment that the construct gives it. */
export function pipelineOfEnvironment() {
  const dynamoDb = dynamoDbClient();
  const sqs = sqsClient();
  const codeBuild = codeBuildClient();
  const buildProject = requiredEnv(HANDLER_ENV.buildProject);
  const queueUrl = requiredEnv(HANDLER_ENV.buildQueueUrl);
  const limit = process.env[HANDLER_ENV.maxConcurrentBuildsPerProject];

  const store = new DeploymentStore(dynamoDb, requiredEnv(HANDLER_ENV.deploymentsTable));
  const state = new StateTable(dynamoDb, requiredEnv(HANDLER_ENV.stateTable));
  const openDeployments = new OpenDeployments(state);
  const projects = new Projects(state, limit ? Number(limit) : undefined);
  const builds = new Builds(codeBuild, buildProject);
  const branches = new Branches(state);
  const events = new StatusEvents(eventBridgeClient(), store, branches, requiredEnv(HANDLER_ENV.buildProjectArn));
  return {
    sqs,
    queueUrl,
    buildProject,
    store,
    state,
    openDeployments,
    projects,
    builds,
    events,
    branches,
    cacheAccounts: new CacheAccounts(state),
    capacity: new Capacity(state),
    promotedArtifacts: new PromotedArtifacts(state),
    promotionNotes: new PromotionNotes(state),
    line: new WaitingLine(projects, openDeployments, store, sqs, queueUrl),
    superseding: new Superseding(store, openDeployments, builds, events, process.env[HANDLER_ENV.stopSupersededBuilds] === 'true'),
  };
}

export type Pipeline = ReturnType<typeof pipelineOfEnvironment>;
