const CONSOLE_HOSTS: Readonly<Record<string, string>> = {
  'aws': 'console.aws.amazon.com',
  'aws-cn': 'console.amazonaws.cn',
  'aws-us-gov': 'console.amazonaws-us-gov.com',
};

/** Console page of a build, with its log. Built from the ARN because CodeBuild knows the log's own link only once the build has begun. */
export function buildLogsUrl(buildArn: string): string {
  const [, partition, , region, accountId, , ...buildId] = buildArn.replace(':build/', ':build:').split(':');
  const [projectName] = buildId;
  const host = CONSOLE_HOSTS[partition] ?? CONSOLE_HOSTS.aws;
  return `https://${region}.${host}/codesuite/codebuild/${accountId}/projects/${encodeURIComponent(projectName)}/build/${encodeURIComponent(buildId.join(':'))}/log?region=${region}`;
}
