import { Logger } from '@aws-lambda-powertools/logger';

/** JSON lines; handlers append deploymentId, projectId and buildId as keys, so that every line of one deployment can be found. */
export const logger = new Logger({ serviceName: 'nextjs-build-pipeline' });
