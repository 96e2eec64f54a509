import * as codebuild from 'aws-cdk-lib/aws-codebuild';
import * as events from 'aws-cdk-lib/aws-events';
import { Construct } from 'constructs';
import { DeploymentStatus } from './contract/deployment';
import { EVENT_SOURCE, STATUS_CHANGED } from './contract/events';

/** A rule for the status events of one pipeline, put together as aws-cdk-lib does for its own `onXxx`. No statuses: all of them. */
export function statusChangedRule(
  scope: Construct, id: string, project: codebuild.IProject, options: events.OnEventOptions = {}, statuses?: DeploymentStatus[],
): events.Rule {
  const rule = new events.Rule(scope, id, options);
  rule.addTarget(options.target);
  rule.addEventPattern({
    source: [EVENT_SOURCE],
    detailType: [STATUS_CHANGED],
    // Of this pipeline, not of another one in the account.
    resources: [project.projectArn],
    ...(statuses ? { detail: { status: statuses } } : {}),
  });
  return rule;
}
