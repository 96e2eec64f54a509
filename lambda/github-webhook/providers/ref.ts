import { quoted } from '../../shared/quoted';
import type { NoChange } from '../change';
import { at, isNoCommit, textAt } from '../payload';

const BRANCHES = 'refs/heads/';

/** GitHub and GitLab alike name in `ref` what was pushed, and in `after` its new head: the branch, or why there is none. */
export function branchOf(payload: unknown): string | NoChange {
  const ref = textAt(payload, 'ref');
  if (at(payload, 'deleted') === true || isNoCommit(at(payload, 'after'))) return { skip: `${quoted(ref)} was deleted` };
  // Whether annotated or not: `after` of an annotated tag is no commit at all.
  return ref.startsWith(BRANCHES) ? ref.slice(BRANCHES.length) : { skip: `${quoted(ref)} is not a branch, and only branches are deployed` };
}
