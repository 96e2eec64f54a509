import * as codebuild from 'aws-cdk-lib/aws-codebuild';
import * as iam from 'aws-cdk-lib/aws-iam';

/**
 * What StartBuild may not change, although its API offers it: with another buildspec, image or role, or as a privileged container, a build
 * would be something else than the template says. Environment variables are what distinguishes builds, and stay free.
 *
 * A denial must never meet a StartBuild that overrides nothing, whether CodeBuild then leaves a condition key out (as it documents for the
 * buildspec) or fills in what the project says (nothing documents that it does not). Hence: image and role are denied only where
 * they are there *and* differ from the project's, privileged mode only where it is true.
 * https://docs.aws.amazon.com/codebuild/latest/userguide/action-context-keys.html
 * https://docs.aws.amazon.com/service-authorization/latest/reference/list_awscodebuild.html
 */
export function denyOverrides(project: codebuild.IProject, image: codebuild.IBuildImage): iam.PolicyStatement[] {
  const conditions = [
    // CodeBuild compares this one with Null only.
    { Null: { 'codebuild:source.buildspec': 'false' } },
    { Bool: { 'codebuild:environment.privilegedMode': 'true' } },
    otherThan('codebuild:environment.image', image.imageId),
    otherThan('codebuild:serviceRole', project.role!.roleArn),
  ];
  return conditions.map((condition) => new iam.PolicyStatement({
    effect: iam.Effect.DENY, actions: ['codebuild:StartBuild'], resources: [project.projectArn], conditions: condition,
  }));
}

function otherThan(key: string, value: string): Record<string, Record<string, string>> {
  return { Null: { [key]: 'false' }, StringNotEquals: { [key]: value } };
}
