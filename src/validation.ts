import { Annotations, Duration, Stack, Token } from 'aws-cdk-lib';
import * as codebuild from 'aws-cdk-lib/aws-codebuild';
import * as dynamodb from 'aws-cdk-lib/aws-dynamodb';
import * as lambda from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';
import { DEPLOYMENTS_PARTITION_KEY } from './contract/deployment';
import { variableNameProblem } from './contract/environment';
import type { SourceProvider } from './source-provider';

/**
 * Checks at synth: what can only fail at deploy or at run time, said now and in words. Values that are tokens are not known yet
 * and pass.
 */

/** Only what this app creates shows its key schema; of an imported table nothing is known but its name. */
export function keysOf(table: dynamodb.ITable): string[] | undefined {
  const resource = table.node.defaultChild;
  if (!(resource instanceof dynamodb.CfnTable || resource instanceof dynamodb.CfnGlobalTable)) return undefined;
  // Table holds them as they are, TableV2 as lazy values.
  const [keySchema, attributeDefinitions] = Stack.of(table).resolve([resource.keySchema, resource.attributeDefinitions]);
  if (!Array.isArray(keySchema) || !Array.isArray(attributeDefinitions)) return undefined;
  return (keySchema as dynamodb.CfnTable.KeySchemaProperty[]).map(({ attributeName, keyType }) => {
    const definition = (attributeDefinitions as dynamodb.CfnTable.AttributeDefinitionProperty[]).find((attribute) => attribute.attributeName === attributeName);
    return `${attributeName} (${keyType}, ${definition?.attributeType})`;
  });
}

export function checkDeploymentsTable(table: dynamodb.ITable): void {
  const found = keysOf(table);
  const expected = `${DEPLOYMENTS_PARTITION_KEY} (HASH, S)`;
  if (found && (found.length !== 1 || found[0] !== expected)) {
    throw new Error(`deploymentsTable must have the partition key "${DEPLOYMENTS_PARTITION_KEY}" of type string and no sort key: `
      + `expected ${expected}, got ${found.join(' and ')}. `
      + `Create it with partitionKey: { name: '${DEPLOYMENTS_PARTITION_KEY}', type: AttributeType.STRING }.`);
  }
}

/** @see https://docs.aws.amazon.com/codebuild/latest/APIReference/API_StartBuild.html (timeoutInMinutesOverride) */
export function checkBuildTimeout(timeout: Duration): void {
  if (timeout.isUnresolved()) return;
  const minutes = timeout.toMinutes({ integral: false });
  if (!Number.isInteger(minutes) || minutes < 5 || minutes > 2160) {
    throw new Error(`buildTimeout must be whole minutes between 5 and 2160 (36 hours), CodeBuild's limits; got ${timeout.toHumanString()}.`);
  }
}

/**
 * Lambda refuses an event source whose queue hides messages for less time than the function may run, and recommends six times.
 * @see https://docs.aws.amazon.com/lambda/latest/dg/services-sqs-configure.html
 */
export function checkVisibilityTimeout(scope: Construct, visibilityTimeout: Duration, functionTimeout: Duration): void {
  if (visibilityTimeout.isUnresolved()) return;
  const [visibility, timeout] = [visibilityTimeout.toSeconds(), functionTimeout.toSeconds()];
  // 12 hours: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/APIReference/API_SetQueueAttributes.html
  if (visibility < timeout || visibility > 12 * 3600) {
    throw new Error(`visibilityTimeout must be at least the orchestrator's timeout (${timeout} s) and at most 12 hours; got ${visibility} s.`);
  }
  if (visibility < 6 * timeout) {
    Annotations.of(scope).addWarningV2('cdk-nextjs-build-pipeline:visibilityTimeout',
      `visibilityTimeout is ${visibility} s; Lambda recommends at least six times the function's timeout (${6 * timeout} s), or throttled messages can use up their receives.`);
  }
}

export function checkMaxReceiveCount(maxReceiveCount: number): void {
  // 1,000: https://docs.aws.amazon.com/AWSSimpleQueueService/latest/SQSDeveloperGuide/sqs-dead-letter-queues.html
  checkInteger('maxReceiveCount', maxReceiveCount, 1, 1000);
}

export function checkBatchSize(batchSize: number): void {
  // Above 10 a batching window is required; and they are handled one after the other, within the function's 60 s.
  checkInteger('batchSize', batchSize, 1, 10);
}

function checkInteger(name: string, value: number, from: number, to: number): void {
  if (Token.isUnresolved(value)) return;
  if (!Number.isInteger(value) || value < from || value > to) {
    throw new Error(`${name} must be a whole number between ${from} and ${to}; got ${value}.`);
  }
}

/** Few enough that nothing else in the account starves, at most what Lambda accepts for a queue. */
export function checkMaxConcurrency(maxConcurrency: number): void {
  checkInteger('maxConcurrency', maxConcurrency, 2, 1000);
}

export function checkMaxConcurrentBuildsPerProject(builds: number): void {
  if (Token.isUnresolved(builds)) return;
  if (!Number.isInteger(builds) || builds < 1) {
    throw new Error(`maxConcurrentBuildsPerProject must be a whole number from 1 on; got ${builds}. Leave it out for no limit.`);
  }
}

/** EventBridge has no shorter period; with a longer one than an hour, a lost event would leave a deployment "building" for hours. */
export function checkReconcileInterval(interval: Duration): void {
  if (interval.isUnresolved()) return;
  const minutes = interval.toMinutes({ integral: false });
  if (!Number.isInteger(minutes) || minutes < 1 || minutes > 60) {
    throw new Error(`reconcileInterval must be whole minutes between 1 and 60; got ${interval.toHumanString()}.`);
  }
}

/** CDK would give the role of the builds, and so the code being built, the secret that opens the registry. */
export function checkBuildImage(buildImage: codebuild.IBuildImage): void {
  if (buildImage.secretsManagerCredentials) {
    throw new Error('buildImage must not need credentials from Secrets Manager: every app that is built could read them. Copy the image to ECR.');
  }
}

export function checkComputeType(computeType: codebuild.ComputeType): void {
  if (Token.isUnresolved(computeType)) return;
  if (computeType.includes('LAMBDA')) {
    throw new Error(`computeType ${computeType} cannot run these builds: Lambda compute ends after 15 minutes and has no root user. Use SMALL or larger.`);
  }
  // 1.5 GB: next build is killed.
  if (/nano/i.test(computeType)) {
    throw new Error(`computeType ${computeType} is too small for next build, which needs 2 GB and more. Use SMALL or larger.`);
  }
}

export function checkNodeVersion(nodeVersion: string): void {
  if (Token.isUnresolved(nodeVersion)) return;
  if (!/^[1-9][0-9]$/.test(nodeVersion)) {
    throw new Error(`nodeVersion must be a major version such as '22', one that the build image offers; got '${nodeVersion}'.`);
  }
}

export function checkOpenNextVersion(version: string): void {
  if (Token.isUnresolved(version)) return;
  if (!/^\d+\.\d+\.\d+(-[0-9A-Za-z.-]+)?$/.test(version)) {
    throw new Error(`openNextVersion must be one exact version of @opennextjs/aws, such as '4.1.12', so that builds can be repeated; got '${version}'.`);
  }
}

export function checkFunctionArchitecture({ name }: lambda.Architecture): void {
  if (Token.isUnresolved(name)) return;
  if (name !== lambda.Architecture.X86_64.name && name !== lambda.Architecture.ARM_64.name) {
    throw new Error(`functionArchitecture must be Architecture.X86_64 or Architecture.ARM_64, the processors that Lambda has; got '${name}'.`);
  }
}

export function checkBuildEnvironment(environment: Readonly<Record<string, string>>): void {
  for (const [name, value] of Object.entries(environment)) {
    const problem = variableNameProblem(name);
    if (problem) throw new Error(`buildEnvironment: '${name}' ${problem}.`);
    // CodeBuild: "EnvironmentVariable should be at most 4096 characters"
    if (!Token.isUnresolved(value) && value.length > 4096) {
      throw new Error(`buildEnvironment: the value of '${name}' has ${value.length} characters; CodeBuild accepts at most 4096.`);
    }
  }
  // The names are a variable themselves.
  const { length } = Object.keys(environment).join(' ');
  if (length > 4096) throw new Error(`buildEnvironment: the names have ${length} characters; CodeBuild accepts at most 4096. Give fewer variables, or shorter names.`);
}

/**
 * Whatever begins with the prefix can be read by the orchestrator: without the "/", "builds" would also open "builds-admin/password".
 * @see https://docs.aws.amazon.com/secretsmanager/latest/apireference/API_CreateSecret.html (Name)
 */
export function checkInstallSecretsPrefix(prefix: string): void {
  if (Token.isUnresolved(prefix)) return;
  // 512 characters, of which a project's id may take 128.
  if (!/^[A-Za-z0-9/_+=.@-]{1,383}\/$/.test(prefix)) {
    throw new Error(`installSecretsPrefix must be letters, digits and any of /_+=.@- , at most 384 characters, and end with "/", such as 'builds/install/'; got '${prefix}'.`);
  }
}

/** Compared with the host in repositories' URLs, as `new URL()` gives it: in lower case, and without https' own port. */
export function checkSourceHost(host: string): void {
  if (Token.isUnresolved(host)) return;
  if (!/^[a-z0-9_-]+(\.[a-z0-9_-]+)+(:\d{1,5})?$/.test(host) || /^[\d.:]+$|:443$/.test(host)) {
    throw new Error('host must be that of the repositories\' URLs, in lower case, such as \'gitlab.example.com\', with a port if it is not 443; '
      + `got '${host}'. Leave out "https://" and the path.`);
  }
}

export function checkGitHubAppId(appId: string): void {
  if (Token.isUnresolved(appId)) return;
  if (!/^[A-Za-z0-9.]{1,64}$/.test(appId)) {
    throw new Error(`appId must be the id or the client id of a GitHub App, such as '123456' or 'Iv23liAbCdEf'; got '${appId}'.`);
  }
}

export function checkSourceProviders(providers: readonly SourceProvider[]): void {
  const hosts = providers.map(({ host }) => host);
  const twice = hosts.find((host, index) => hosts.indexOf(host) !== index);
  if (twice !== undefined) throw new Error(`sourceProviders has two providers for ${twice}; a host has one, for all of its repositories.`);
}
