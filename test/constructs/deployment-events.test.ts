import { Stack } from 'aws-cdk-lib';
import { Match, Template } from 'aws-cdk-lib/assertions';
import * as events from 'aws-cdk-lib/aws-events';
import * as targets from 'aws-cdk-lib/aws-events-targets';
import * as sqs from 'aws-cdk-lib/aws-sqs';
import { NextjsBuildPipeline } from '../../src';
import { pipelineStack } from '../support/stacks';

/** The rule that a user has added to the pipeline, as CloudFormation gets it. */
function ruleOf(add: (pipeline: NextjsBuildPipeline, stack: Stack) => events.Rule) {
  const { stack, pipeline } = pipelineStack();
  const rule = add(pipeline, stack);
  const { Properties } = Template.fromStack(stack).findResources('AWS::Events::Rule')[stack.getLogicalId(rule.node.defaultChild as events.CfnRule)];
  const thisPipeline = { 'source': ['cdk-nextjs-build-pipeline'], 'detail-type': ['Deployment Status Changed'], 'resources': [stack.resolve(pipeline.project.projectArn)] };
  return { stack, properties: Properties, thisPipeline };
}

const newQueue = (stack: Stack) => new targets.SqsQueue(new sqs.Queue(stack, 'Target'));

test('onDeploymentStatusChanged: every status event of this pipeline, and of no other', () => {
  const { properties, thisPipeline } = ruleOf((pipeline, stack) => pipeline.onDeploymentStatusChanged('Status', { target: newQueue(stack) }));
  expect(properties).toEqual({ EventPattern: thisPipeline, State: 'ENABLED', Targets: [{ Id: 'Target0', Arn: { 'Fn::GetAtt': [expect.stringMatching(/^Target/), 'Arn'] } }] });
});

test.each([
  ['onDeploymentSucceeded', 'success'],
  ['onDeploymentFailed', 'failed'],
] as const)('%s: those that say %s', (method, status) => {
  const { properties, thisPipeline } = ruleOf((pipeline, stack) => pipeline[method]('Ended', { target: newQueue(stack) }));
  expect(properties.EventPattern).toEqual({ ...thisPipeline, detail: { status: [status] } });
});

test('a pattern of the user\'s comes on top: what nothing newer has overtaken, in one project', () => {
  const { properties, thisPipeline } = ruleOf((pipeline) => pipeline.onDeploymentSucceeded('GoLive', {
    eventPattern: { detail: { projectId: ['shop'], supersededBy: events.Match.doesNotExist() } },
  }));
  expect(properties.EventPattern).toEqual({ ...thisPipeline, detail: { projectId: ['shop'], supersededBy: [{ exists: false }], status: ['success'] } });
});

test('also the other statuses can be followed', () => {
  const { properties, thisPipeline } = ruleOf((pipeline) => pipeline.onDeploymentStatusChanged('Superseded', { eventPattern: { detail: { status: ['superseded'] } } }));
  expect(properties.EventPattern).toEqual({ ...thisPipeline, detail: { status: ['superseded'] } });
});

test('description and name are the rule\'s; a target may come later', () => {
  const { properties } = ruleOf((pipeline, stack) => {
    const rule = pipeline.onDeploymentFailed('Failed', { description: 'Tells the owner', ruleName: 'tell-owner' });
    rule.addTarget(newQueue(stack));
    return rule;
  });
  expect(properties).toMatchObject({ Description: 'Tells the owner', Name: 'tell-owner', Targets: [expect.anything()] });
});

test('without options it is a rule without a target', () => {
  const { properties } = ruleOf((pipeline) => pipeline.onDeploymentStatusChanged('Status'));
  expect(properties.Targets).toBeUndefined();
});

test('where target and rule would make stacks depend on each other, crossStackScope puts the rule beside the target', () => {
  const { stack, pipeline } = pipelineStack();
  const other = new Stack(stack.node.root as never, 'Other');
  pipeline.onDeploymentSucceeded('Succeeded', { crossStackScope: other, target: newQueue(other) });
  Template.fromStack(other).hasResourceProperties('AWS::Events::Rule', {
    EventPattern: Match.objectLike({ detail: { status: ['success'] } }), Targets: [Match.objectLike({ Arn: { 'Fn::GetAtt': [Match.stringLikeRegexp('^Target'), 'Arn'] } })],
  });
});
