import { Duration, Stack } from 'aws-cdk-lib';
import * as codebuild from 'aws-cdk-lib/aws-codebuild';
import * as iam from 'aws-cdk-lib/aws-iam';
import { Construct } from 'constructs';
import { NextjsBuildSpec, packedSteps } from './buildspec';
import { forApps, PROJECT_ENV } from './contract/environment';
import { STAGING_ROOT } from './contract/keys';
import { useOfKey } from './encryption';
import { NextjsBuildPipelineProps } from './nextjs-build-pipeline-props';
import { checkBuildEnvironment, checkBuildImage, checkBuildTimeout, checkComputeType, checkFunctionArchitecture, checkNodeVersion, checkOpenNextVersion } from './validation';

export function buildImageOf(props: NextjsBuildPipelineProps): codebuild.IBuildImage {
  return props.buildImage ?? codebuild.LinuxBuildImage.STANDARD_7_0;
}

/** The CodeBuild project: where untrusted code runs, and all that it may do there. */
export function buildProject(scope: Construct, props: NextjsBuildPipelineProps): codebuild.Project {
  const computeType = props.computeType ?? codebuild.ComputeType.SMALL;
  checkComputeType(computeType);
  const timeout = props.buildTimeout ?? Duration.minutes(30);
  checkBuildTimeout(timeout);
  const nodeVersion = props.nodeVersion ?? '22';
  checkNodeVersion(nodeVersion);
  if (props.openNextVersion !== undefined) checkOpenNextVersion(props.openNextVersion);
  if (props.functionArchitecture !== undefined) checkFunctionArchitecture(props.functionArchitecture);
  checkBuildEnvironment(props.buildEnvironment ?? {});

  const buildImage = buildImageOf(props);
  checkBuildImage(buildImage);
  const environment: Record<string, string> = {
    ...forApps(props.buildEnvironment ?? {}),
    [PROJECT_ENV.artifactsBucket]: props.artifactsBucket.bucketName,
    [PROJECT_ENV.nodeVersion]: nodeVersion,
    [PROJECT_ENV.packedSteps]: packedSteps().variable,
    ...(props.openNextVersion === undefined ? {} : { [PROJECT_ENV.openNextVersion]: props.openNextVersion }),
    ...(props.functionArchitecture === undefined ? {} : { [PROJECT_ENV.functionArchitecture]: props.functionArchitecture.name }),
  };
  return new codebuild.Project(scope, 'Project', {
    description: 'Builds Next.js apps. Runs code that is not trusted: every right of its role is a right of the code being built.',
    role: buildRole(scope, props),
    // No source: CodeBuild never holds a credential for the repository; the buildspec fetches the commit.
    // CodeBuild installs a Node.js version only into its own images, and refuses the wish in others.
    buildSpec: new NextjsBuildSpec({ runtimeVersions: buildImage.imageId.startsWith('aws/codebuild/') }),
    environment: { buildImage, computeType, privileged: false },
    environmentVariables: Object.fromEntries(Object.entries(environment).map(([name, value]) => [name, { value }])),
    timeout,
    grantReportGroupPermissions: false,
    vpc: props.vpc,
    subnetSelection: props.vpcSubnets,
    securityGroups: props.securityGroups,
  });
}

function buildRole(scope: Construct, { artifactsBucket, permissionsBoundary }: NextjsBuildPipelineProps): iam.Role {
  // Single quotes: a variable that IAM fills in with the ARN of the build that is asking.
  const ownStaging = artifactsBucket.arnForObjects(STAGING_ROOT + '${codebuild:buildArn}/*');
  const rights = [
    new iam.PolicyStatement({ actions: ['s3:PutObject', 's3:AbortMultipartUpload'], resources: [ownStaging] }),
    ...useOfKey(artifactsBucket.encryptionKey, 's3'),
  ];
  const role = new iam.Role(scope, 'BuildRole', {
    description: 'Role of builds that run untrusted code',
    assumedBy: new iam.ServicePrincipal('codebuild.amazonaws.com', { conditions: { StringEquals: { 'aws:SourceAccount': Stack.of(scope).account } } }),
    permissionsBoundary: permissionsBoundary ?? new codebuild.UntrustedCodeBoundaryPolicy(scope, 'BuildBoundary', { additionalStatements: rights }),
  });
  rights.forEach((right) => role.addToPolicy(right));
  return role;
}
