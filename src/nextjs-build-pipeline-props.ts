import { Duration, RemovalPolicy } from 'aws-cdk-lib';
import * as codebuild from 'aws-cdk-lib/aws-codebuild';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as ec2 from 'aws-cdk-lib/aws-ec2';
import * as iam from 'aws-cdk-lib/aws-iam';
import * as kms from 'aws-cdk-lib/aws-kms';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import * as logs from 'aws-cdk-lib/aws-logs';
import * as s3 from 'aws-cdk-lib/aws-s3';
import { SourceProvider } from './source-provider';

/** Properties of `NextjsBuildPipeline`. */
export interface NextjsBuildPipelineProps {
  /**
   * Where artifacts and browser assets go: below `artifacts/<projectId>/<commitSha>/<deploymentId>/` and `static/…/`; running
   * builds write below `staging/`, build caches lie below `cache/<projectId>/`.
   *
   * It may be encrypted with a KMS key, versioned, imported or in another stack. A bucket that this app creates gets lifecycle
   * rules that expire `staging/` after 14 days and `cache/` after 30; give an imported bucket such rules yourself. An imported bucket with a KMS key
   * must be imported with that key (`Bucket.fromBucketAttributes`), or builds cannot write to it.
   */
  readonly artifactsBucket: s3.IBucket;

  /**
   * Holds one record for each deployment. Its partition key must be `deploymentId` of type string, and it must have no sort key.
   *
   * It may be a `Table` or a `TableV2`, encrypted with a KMS key, imported or in another stack. A producer may write the record before
   * it sends the request, with `status` `queued` or none; attributes that it adds stay as they are. An imported table with a KMS key
   * must be imported with that key.
   */
  readonly deploymentsTable: dynamodb.ITable;

  /**
   * How long a message stays invisible after it was received, if the orchestrator dies without an answer. A failure that the
   * orchestrator can handle brings the message back sooner.
   *
   * At least 60 seconds (the orchestrator's timeout), at most 12 hours.
   *
   * @default Duration.seconds(1800)
   */
  readonly visibilityTimeout?: Duration;

  /**
   * How long SQS keeps a message, in the queue and in the dead-letter queues: at most 14 days. So long a request may also wait for
   * CodeBuild's capacity.
   *
   * @default Duration.days(14)
   */
  readonly messageRetention?: Duration;

  /**
   * How often a request is tried before it goes to the dead-letter queue; its deployment is then failed. Waiting for capacity does
   * not count.
   *
   * @default 3
   */
  readonly maxReceiveCount?: number;

  /**
   * How many messages one invocation of the orchestrator takes, 1 to 10. One that fails does not bring the others back.
   *
   * @default 1
   */
  readonly batchSize?: number;

  /**
   * How many invocations of the orchestrator may run at the same time, 2 to 1000. Each takes a second or so. Without a bound, a burst
   * of requests could use up the account's concurrency, and throttled messages their receives.
   *
   * @default 5
   */
  readonly maxConcurrency?: number;

  /**
   * How many builds of one project may run at the same time. Its other requests wait, without failing, as long as messages are kept
   * (`messageRetention`), and their records say `waitingReason` `PROJECT_LIMIT`. It keeps one tenant from taking all of the account's
   * builds.
   *
   * @default - no limit but the account's
   */
  readonly maxConcurrentBuildsPerProject?: number;

  /**
   * What becomes of a running build when a newer deployment of the same project and branch is queued: `true` stops it, and its
   * deployment ends as `superseded`. `false` leaves it to finish, so that a branch that is pushed to faster than it builds is still
   * deployed now and then; its success then says in `supersededBy` that a newer one exists. Deployments that have not started end as
   * `superseded` either way.
   *
   * @default false
   */
  readonly stopSupersededBuilds?: boolean;

  /**
   * How often the reconciler looks for deployments that are not what their record says: builds whose events were lost, requests that
   * nobody holds any more, dead letters. So long, at most, a deployment may seem to run after its build has ended unheard.
   *
   * Whole minutes, 1 to 60. A shorter period means shorter runs (it ends 30 seconds before the next one begins, after 4.5 minutes at
   * the latest), which matters with thousands of open deployments only.
   *
   * @default Duration.minutes(5)
   */
  readonly reconcileInterval?: Duration;

  /**
   * Image of the build container. It must have bash, git, zip, the AWS CLI and Node.js; and `setpriv` (of util-linux) to keep the app's code from
   * the build role's credentials. That code runs as `codebuild-user` if the image has this user, else as a user id without a name, which few
   * tools mind. Without setpriv it runs as root, and the build's log has a warning.
   *
   * CodeBuild keeps only the newest version of its own images at hand: another image makes every build start minutes later.
   * An image in ECR lets the builds pull from its repository; an image that needs credentials is refused.
   *
   * Settings of package managers in root's home directory, such as `.npmrc`, are given to every app: no tokens there.
   *
   * @default codebuild.LinuxBuildImage.STANDARD_7_0 - `aws/codebuild/standard:7.0`
   */
  readonly buildImage?: codebuild.IBuildImage;

  /**
   * Size of the build container. `SMALL` has 3 to 4 GB of memory, enough for small and medium apps; a build that runs out of memory
   * fails with OUT_OF_MEMORY. Lambda compute cannot run these builds.
   *
   * @default codebuild.ComputeType.SMALL
   */
  readonly computeType?: codebuild.ComputeType;

  /**
   * After this time CodeBuild ends a build, and its deployment fails with TIMED_OUT. Whole minutes, 5 to 2160.
   *
   * @see https://docs.aws.amazon.com/codebuild/latest/userguide/limits.html
   * @default Duration.minutes(30)
   */
  readonly buildTimeout?: Duration;

  /**
   * Major version of Node.js that builds run on, one that the build image offers. Next.js 16 needs 20.9 or newer. With an image that is
   * not CodeBuild's own, the image's Node.js is used. An app that asks for another one (`.nvmrc`, `.node-version`, `engines`) gets that,
   * from the npm registry.
   *
   * @default '22'
   */
  readonly nodeVersion?: string;

  /**
   * Exact version of `@opennextjs/aws` for apps that do not have it among their own dependencies.
   *
   * @default - a pinned version that fits the app's Next.js version
   */
  readonly openNextVersion?: string;

  /**
   * Processor of the Lambda functions that will run the output. It decides for which one the image function gets its `sharp`, unless an
   * app's own `open-next.config.ts` does. Other native code in an app's dependencies is for the processor of the build image: if the two
   * differ and a server function has such code, the build fails with PACKAGE_FAILED and names the package.
   *
   * @default - that of the build image
   */
  readonly functionArchitecture?: lambda.Architecture;

  /**
   * Environment variables for every build, such as a feature flag or a proxy. Every app that is built can read them, and so can everyone who may
   * look at a build: no secrets. Names that steer the shell, git, npm, Node.js, AWS or the pipeline are refused. Of the variables that an image
   * brings, apps see locale, proxy, certificates and settings of package managers; name others here.
   *
   * @default - none
   */
  readonly buildEnvironment?: { [name: string]: string };

  /**
   * What the names of secrets in Secrets Manager begin with, one for each project that installs from a private registry: the orchestrator
   * may read whatever begins so, and for each build reads `<prefix><projectId>`, such as `builds/install/web`. It must end with `/`.
   *
   * A secret is a JSON object of environment variables, such as `{"NPM_TOKEN":"…"}`, for `.npmrc`, `.yarnrc.yml` or `bunfig.toml` to
   * refer to; `NPM_RC` is added to the user's `.npmrc`. They are set during the install and empty afterwards. The code that an app installs
   * can read them, so give each project a token of its own that can only read packages. Until the build ends, for an hour at most, whoever
   * may call `codebuild:BatchGetBuilds` can find them too.
   *
   * A secret with a KMS key of your own needs that key: `key.grantDecrypt(pipeline.orchestrator)`.
   *
   * @default - no secrets
   */
  readonly installSecretsPrefix?: string;

  /**
   * Git hosts whose private repositories can be built, one provider each. They add a function, the source fetcher, that alone holds the
   * credentials: it fetches exactly the commit and hands it to the build as an object in S3. Repositories of other hosts are cloned by the
   * build itself, and must be public.
   *
   * Whoever may send requests can have every repository built that a provider reaches: check in your producer that a project's request
   * names the project's own repository.
   *
   * @default - none, builds clone public repositories
   */
  readonly sourceProviders?: SourceProvider[];

  /**
   * Network that builds run in. They need a way out to the git host and the npm registry (a NAT gateway, say), and S3.
   *
   * Untrusted code then stands inside this network, and its role gets what CodeBuild needs there: to create network interfaces in the
   * subnets, and to delete interfaces of the account that are not in use. Give it a network of its own, with nothing to reach.
   *
   * @default - builds run outside your network, with access to the internet
   */
  readonly vpc?: ec2.IVpc;

  /**
   * Where in the VPC builds run.
   *
   * @default - the VPC's private subnets
   */
  readonly vpcSubnets?: ec2.SubnetSelection;

  /**
   * Security groups of the builds. Only with `vpc`.
   *
   * @default - one is created that lets everything out and nothing in
   */
  readonly securityGroups?: ec2.ISecurityGroup[];

  /**
   * Encrypts the queues, the state table and the log groups. A key that this app creates is given the statements that CloudWatch Logs
   * and EventBridge need; an imported key's policy must already have them. Artifacts bucket and deployments table keep their own keys.
   *
   * @default - SQS, DynamoDB and CloudWatch Logs encrypt with keys that AWS owns
   */
  readonly encryptionKey?: kms.IKey;

  /**
   * How long the logs of builds and functions are kept.
   *
   * @default logs.RetentionDays.ONE_MONTH
   */
  readonly logRetention?: logs.RetentionDays;

  /**
   * Permissions boundary of every role of the pipeline. A role has only one: on the build's role it takes the place of
   * `UntrustedCodeBoundaryPolicy`, so it should deny builds at least as much.
   *
   * @default - `codebuild.UntrustedCodeBoundaryPolicy` for the build's role, none for the others
   */
  readonly permissionsBoundary?: iam.IManagedPolicy;

  /**
   * What becomes of the queues, the state table and the log groups when they are removed from the stack. Artifacts bucket and
   * deployments table keep their own policies.
   *
   * @default - queues and state table are destroyed (nothing would read them any more), log groups are retained
   */
  readonly removalPolicy?: RemovalPolicy;
}
