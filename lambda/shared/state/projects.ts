import { StateTable } from './state-table';
import { STATE_KINDS } from '../../../src/contract/state-table';

export interface ProjectState {
  /** The project's id. */
  readonly id: string;
  /** Deployments that have a build or may have one. */
  readonly building?: Set<string>;
  /** Some of its deployments wait, and it has had no turn since then (epoch milliseconds). */
  readonly waitingSince?: number;
  /** Counts what began to wait. */
  readonly waits?: number;
}

/** Which builds run of each project, and which projects wait. */
export class Projects {
  constructor(private readonly table: StateTable, private readonly limit: number | undefined) {}

  /** False: as many of the project's builds run as may. A deployment that has its place keeps it. */
  public async reserve(projectId: string, deploymentId: string): Promise<boolean> {
    const reserved = await this.table.update(STATE_KINDS.project, projectId, {
      add: { building: new Set([deploymentId]) },
      ...(this.limit === undefined ? {} : {
        condition: 'attribute_not_exists(#building) OR size(#building) < :limit OR contains(#building, :deploymentId)',
        values: { limit: this.limit, deploymentId },
      }),
    });
    return reserved !== undefined;
  }

  public async release(projectId: string, deploymentId: string): Promise<void> {
    const left = await this.table.update<ProjectState>(STATE_KINDS.project, projectId, {
      take: { building: new Set([deploymentId]) },
      condition: 'attribute_exists(#building)',
    });
    if (left && left.building === undefined && left.waitingSince === undefined) await this.forget(projectId);
  }

  public async wait(projectId: string, now: number): Promise<void> {
    await this.table.update(STATE_KINDS.project, projectId, { setIfAbsent: { waitingSince: now }, count: 'waits' });
  }

  public all(): AsyncGenerator<ProjectState> {
    return this.table.all<ProjectState>(STATE_KINDS.project);
  }

  /** Those whose turn it may be: the ones with the fewest builds first, and among them the one that has waited longest. */
  public async inTurn(): Promise<ProjectState[]> {
    const waiting: ProjectState[] = [];
    for await (const project of this.all()) {
      if (project.waitingSince !== undefined && builds(project) < (this.limit ?? Infinity)) waiting.push(project);
    }
    return waiting.sort((a, b) => builds(a) - builds(b) || a.waitingSince! - b.waitingSince!);
  }

  /** The project goes to the end of those that wait. False: somebody else has just given it its turn. */
  public async takeTurn({ id, waitingSince }: ProjectState, now: number): Promise<boolean> {
    return await this.table.update(STATE_KINDS.project, id, {
      // Later than before in any case, so that of two who look at the same moment only one goes on.
      set: { waitingSince: Math.max(now, waitingSince! + 1) }, condition: '#waitingSince = :before', values: { before: waitingSince },
    }) !== undefined;
  }

  /** Nothing of the project was found waiting, and nothing has begun to wait since `project` was read. */
  public async doneWaiting({ id, waits }: ProjectState): Promise<void> {
    const left = await this.table.update<ProjectState>(STATE_KINDS.project, id, { remove: ['waitingSince'], condition: '#waits = :waits', values: { waits } });
    if (left && left.building === undefined) await this.forget(id);
  }

  /** Deployments that hold a place. */
  public async placesOf(projectId: string): Promise<ReadonlySet<string>> {
    return (await this.table.get<ProjectState>(STATE_KINDS.project, projectId))?.building ?? new Set();
  }

  private async forget(projectId: string): Promise<void> {
    await this.table.deleteIf(STATE_KINDS.project, projectId, 'attribute_not_exists(#building) AND attribute_not_exists(#waitingSince)');
  }
}

const builds = ({ building }: ProjectState) => building?.size ?? 0;
