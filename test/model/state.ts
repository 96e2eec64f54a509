/**
 * The state of the model: two deployments of one branch, A and the newer B, and everything that the handlers read and change about them.
 * All values are immutable and interned (see intern): equal values are one object, so that states are cheap to keep and to compare.
 *
 * Left out deliberately, because no decision about a status depends on it: the status events and their versions, the turns that projects
 * take (who is called next is left open instead), links, times and names, requests that are not valid, builds that CodeBuild forgets.
 */
export type Name = 'A' | 'B';

export const NAMES: readonly Name[] = ['A', 'B'];

/** A lease: expired, it is still on the record, but may be taken over. */
export interface Claim {
  /** The invocation, which stands for the value of claimExpiresAt. */
  readonly by: string;
  readonly expired: boolean;
}

export type FailureKind = 'no-build' | 'build' | 'artifacts';

/** As much of DeploymentRecord as the conditions of its writes look at. */
export interface RecordState {
  readonly status: 'queued' | 'building' | 'success' | 'failed' | 'superseded';
  /** It has a version: somebody of the pipeline has written it. */
  readonly seen: boolean;
  /** It has the build's id. Each deployment has one build at most, which is a property that is checked. */
  readonly hasBuild: boolean;
  readonly claim?: Claim;
  readonly claimedBy?: string;
  readonly attempted: boolean;
  /** supersededBy is set. */
  readonly marked: boolean;
  readonly waiting: boolean;
  readonly failure?: FailureKind;
}

/** What the handlers take notice of when they read a record. */
export interface View extends Pick<RecordState, 'status'> {
  readonly built?: true;
  readonly superseded?: true;
  readonly unseen?: true;
  readonly attempted?: true;
  readonly waits?: true;
  /** There is a claim, which has not expired. */
  readonly isHeld?: true;
  /** Whose it is, in any case. */
  readonly claimedBy?: string;
}

export interface DeploymentState {
  readonly record: RecordState;
  /** Its entry among the open deployments. */
  readonly open?: { readonly hasBuild: boolean; readonly resent: boolean };
  /** It holds one of its project's places. */
  readonly place: boolean;
  /** The one in CodeBuild. */
  readonly build: 'none' | 'running' | 'succeeded' | 'failed' | 'stopped';
  /** The build's objects lie in staging; in place. */
  readonly staged: boolean;
  readonly promoted: boolean;
  /** Invocations of the finalizer that are due: the build's events, a duplicate, the reconciler's. Their names are Lambda's request ids. */
  readonly due: readonly string[];
}

/** A message about a deployment. A copy was put back by the orchestrator; a hint says that it is its turn. */
export interface Message {
  readonly about: Name;
  readonly kind: 'request' | 'copy' | 'hint';
  /** In the queue, in the dead-letter queue, or in the hands of the invocation of this name. */
  readonly at: string;
  readonly receives: number;
  /** Sent after its deployment had failed. */
  readonly sentAfterFailure: boolean;
}

/** An invocation is what it was called with and what it has learnt since; the handler's code (handlers.ts) decides from that what comes next. */
export interface Invocation {
  readonly name: string;
  readonly handler: 'orchestrator' | 'finalizer' | 'reconciler';
  readonly about: Name;
  readonly phase: string;
  readonly kind: string;
  readonly learnt: readonly unknown[];
}

export interface State {
  readonly A: DeploymentState;
  readonly B: DeploymentState;
  /** The newest deployment of the branch, as far as is registered. */
  readonly head?: Name;
  /** CodeBuild need not be asked. */
  readonly exhausted: boolean;
  readonly messages: readonly Message[];
  readonly invocations: readonly Invocation[];
  /** How many faults may still happen, and how many redrives of the dead-letter queue. */
  readonly faults: number;
  readonly redrives: number;
}

export const QUEUE = 'queue';
export const DEAD_LETTERS = 'dead letters';

const canonical = new Map<string, object>();
const ids = new WeakMap<object, number>();

/** Interned values are told apart by number. */
export function idOf(value: object): number {
  return ids.get(value)!;
}

/** The one object that stands for all that are equal to this one. Objects of a kind are made with their fields in the same order. */
export function intern<T extends object>(value: T, key = JSON.stringify(value)): T {
  const known = canonical.get(key);
  if (known) return known as T;
  canonical.set(key, value);
  ids.set(value, canonical.size);
  return value;
}

function internDeployment(deployment: DeploymentState): DeploymentState {
  const record = intern(deployment.record);
  const { open, place, build, staged, promoted, due } = deployment;
  const key = `${idOf(record)}${build}${due.join()}${open ? `+${open.hasBuild}${open.resent}` : ''}${place ? 'p' : ''}${staged ? 's' : ''}${promoted ? 'q' : ''}`;
  return intern({ ...deployment, record }, key);
}

/** Two states are the same if their keys are. Its parts are interned wherever they are made. */
export function keyOf(state: State): string {
  const { A, B, head, exhausted, messages, invocations, faults, redrives } = state;
  return `${idOf(A)},${idOf(B)},${idOf(messages)},${idOf(invocations)},${head ?? ''}${exhausted ? '!' : ''}${faults}${redrives}`;
}

export function changeDeployment(state: State, name: Name, change: Partial<DeploymentState>): State {
  return { ...state, [name]: internDeployment({ ...state[name], ...change }) };
}

/** A record that has just failed was not failed when its messages were sent. */
export function changeRecord(state: State, name: Name, record: RecordState): State {
  const next = changeDeployment(state, name, { record });
  if (record.status !== 'failed' || state[name].record.status === 'failed') return next;
  return withMessages(next, next.messages.map((message) => (message.about === name ? { ...message, sentAfterFailure: false } : message)));
}

export function withMessages(state: State, messages: readonly Message[]): State {
  return { ...state, messages: internList(messages) };
}

export function withInvocations(state: State, invocations: readonly Invocation[]): State {
  return { ...state, invocations: internList(invocations) };
}

function internList<T extends object>(items: readonly T[]): T[] {
  const inOrder = items.map((item) => (ids.has(item) ? item : intern(item))).sort((a, b) => idOf(a) - idOf(b));
  return intern(inOrder, inOrder.map(idOf).join());
}

const QUEUED: RecordState = {
  status: 'queued', seen: false, hasBuild: false, claim: undefined, claimedBy: undefined, attempted: false, marked: false, waiting: false, failure: undefined,
};

const BEGINNING: DeploymentState = internDeployment({ record: QUEUED, open: undefined, place: false, build: 'none', staged: false, promoted: false, due: [] });

/** Stands for B where nothing that it does concerns A any more: it has had its build. */
export const B_ELSEWHERE: DeploymentState = internDeployment({
  ...BEGINNING, record: { ...QUEUED, status: 'success', seen: true, hasBuild: true }, build: 'succeeded', promoted: true,
});

export function initialState({ faults, redrives }: { faults: number; redrives: number }): State {
  const requests = NAMES.map((about): Message => ({ about, kind: 'request', at: QUEUE, receives: 0, sentAfterFailure: false }));
  const empty: State = { A: BEGINNING, B: BEGINNING, exhausted: false, messages: [], invocations: [], faults, redrives };
  return withInvocations(withMessages(empty, requests), []);
}
