import type { Change, ForgeEvent, NoChange, Repository } from './change';
import { reasonOfBranch, reasonOfCommit } from './decision';
import type { Delivery } from './delivery';
import { createdAtOf, requestOf, requestProblem } from './deployment-request';
import { parsePayload } from './payload';
import type { Projects } from './projects';
import { providerOf } from './providers';
import type { Provider } from './providers/provider';
import { Refusal } from './refusal';
import { isOf } from './repository-match';
import { Answer, asAnswer, combined, Result } from './results';
import type { SkippedPushes } from './skipped-pushes';
import type { WebhookSecrets } from './webhook-secrets';
import { MAX_WEBHOOK_BODY_BYTES, ProjectItem } from '../../src/contract/webhook';
import type { DeploymentProducer } from '../shared/enqueue';
import { logger } from '../shared/logger';

/** From a delivery to the deployments that come of it. Nothing of a delivery is looked at before it is known to be genuine. */
export class FrontDoor {
  constructor(
    private readonly secrets: WebhookSecrets,
    private readonly projects: Projects,
    private readonly producer: DeploymentProducer,
    private readonly skippedPushes: SkippedPushes,
  ) {}

  public async receive(delivery: Delivery): Promise<Answer> {
    try {
      const provider = providerOf(delivery.headers);
      await this.authenticate(delivery, provider);
      const event = eventOf(delivery, provider);
      if (event.kind === 'ignored') throw new Refusal(202, event.reason, 'ignored');
      const projects = await this.projectsOf(delivery, event.repository);
      if (event.kind === 'ping') return asAnswer(200, 'ignored', greeting(projects));
      const pairs = projects.flatMap((project) => event.changes.map((change) => [project, change] as const));
      return combined(await Promise.all(pairs.map(([project, change]) => this.deploy(project, change, event.repository))));
    } catch (error) {
      if (error instanceof Refusal) return asAnswer(error.status, error.outcome, error.message);
      throw error;
    }
  }

  private async authenticate({ body, headers, method }: Delivery, { expectedProof, name, proofHeader, proves }: Provider): Promise<void> {
    if (method !== 'POST') throw new Refusal(405, `Expected a POST of a webhook, got ${method || 'no method'}.`);
    if (body.length > MAX_WEBHOOK_BODY_BYTES) throw new Refusal(413, `Expected a body of at most ${MAX_WEBHOOK_BODY_BYTES} bytes, got ${body.length}.`);
    const proof = headers[proofHeader];
    if (proof === undefined) throw new Refusal(401, `Expected the header ${proofHeader}: ${expectedProof}. Set the platform's secret in the hook's settings.`);
    if (!await this.secrets.some((secret) => proves(proof, body, secret))) {
      throw new Refusal(401, `The header ${proofHeader} is not what ${name} sends with the platform's secret. Set that secret in the hook's settings, and leave the body as it was sent.`);
    }
  }

  /** All of the repository, or the one that the URL names, if that is its repository. */
  private async projectsOf({ path }: Delivery, repository: Repository | undefined): Promise<readonly ProjectItem[]> {
    const projectId = projectIdOf(path);
    const projects = projectId === undefined ? await this.lookUp(repository) : [await this.project(projectId, repository)];
    if (repository) await Promise.all(projects.map((project) => this.projects.learnRepository(project, repository)));
    return projects;
  }

  private async lookUp(repository: Repository | undefined): Promise<readonly ProjectItem[]> {
    if (!this.projects.canLookUp) {
      throw new Refusal(404, 'Expected a URL that ends with /projects/<projectId>: without an index of the projects table no project is found by its repository.');
    }
    if (!repository) return [];
    const found = await this.projects.of(repository);
    if (found.length === 0) throw new Refusal(404, `No project is of the repository ${repository.cloneUrl} (id ${repository.id}).`);
    return found;
  }

  private async project(projectId: string, repository: Repository | undefined): Promise<ProjectItem> {
    const project = await this.projects.get(projectId);
    if (!project) throw new Refusal(404, 'There is no project of the id in the URL.');
    if (!repository || isOf(project, repository)) return project;
    const known = project.repositoryId === undefined ? '' : ` (id ${project.repositoryId})`;
    throw new Refusal(404, `The project ${projectId} is of the repository ${project.repoUrl}${known}, not of ${repository.cloneUrl} (id ${repository.id}).`);
  }

  private async deploy(project: ProjectItem, change: Change | NoChange, repository: Repository): Promise<Result> {
    const { projectId } = project;
    if ('skip' in change) return { projectId, kind: 'skipped', why: change.skip };
    const notDeployed = reasonOfBranch(change, project);
    if (notDeployed !== undefined) return { projectId, kind: 'skipped', why: notDeployed };
    const request = requestOf(change, project, repository);
    const problem = requestProblem(request);
    if (problem !== undefined) return { projectId, kind: 'unbuildable', why: problem };
    const notWanted = reasonOfCommit(change, project);
    if (notWanted !== undefined) {
      await this.skippedPushes.tell(request, notWanted);
      return { projectId, kind: 'skipped', why: notWanted };
    }
    const { branch, commitSha, deploymentId } = request;
    try {
      const status = await this.producer.produce(request, createdAtOf(change, new Date()));
      logger.info('A push is a deployment', { deploymentId, projectId, commitSha, branch, status });
      return { projectId, kind: 'deployment', deploymentId, branch, commitSha, status };
    } catch (error) {
      logger.error('A deployment could not be put into the queue', { deploymentId, projectId, error: error as Error });
      return { projectId, kind: 'deployment', deploymentId, branch, commitSha, status: 'unsent' };
    }
  }
}

function eventOf({ body, headers }: Delivery, { eventHeader, read }: Provider): ForgeEvent {
  const event = headers[eventHeader];
  if (event === undefined) throw new Refusal(400, `Expected the header ${eventHeader}, which names the event.`);
  return read(event, parsePayload(headers['content-type'], body));
}

/** `/projects/<projectId>` at the end; what is before it is the API's own matter, such as the name of a stage. */
function projectIdOf(path: string): string | undefined {
  const encoded = /\/projects\/([^/]+)\/?$/.exec(path)?.[1];
  try {
    return encoded && decodeURIComponent(encoded);
  } catch {
    return encoded;
  }
}

function greeting(projects: readonly ProjectItem[]): string {
  if (projects.length === 0) return 'The webhook works. Its pushes deploy the projects of their repositories.';
  return `The webhook works. Pushes of its repository deploy: ${projects.map(({ branch, projectId }) => `${projectId} (branch ${branch})`).join(', ')}.`;
}
