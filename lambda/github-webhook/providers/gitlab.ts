import { createHash, timingSafeEqual } from 'node:crypto';
import type { Provider } from './provider';
import { branchOf } from './ref';
import { quoted } from '../../shared/quoted';
import type { Change, NoChange } from '../change';
import { at, commitAt, idAt, listAt, optionalTextAt, optionalTimeAt, repositoryUrlAt } from '../payload';

/** https://docs.gitlab.com/user/project/integrations/webhook_events/ */
export const gitlab: Provider = {
  name: 'GitLab',
  eventHeader: 'x-gitlab-event',
  proofHeader: 'x-gitlab-token',
  expectedProof: 'the hook\'s secret token',
  // Of hashes, because they have one length: that of the secret is nobody's business.
  proves: async (token, _, secret) => timingSafeEqual(sha256(token), sha256(secret)),
  read(event, payload) {
    if (event !== 'Push Hook') return { kind: 'ignored', reason: `The event ${quoted(event)} deploys nothing; Push Hook is all that is used.` };
    return {
      kind: 'changes',
      repository: { id: idAt(payload, 'project_id'), cloneUrl: repositoryUrlAt(payload, 'project.git_http_url') },
      changes: [pushed(payload)],
    };
  },
};

const sha256 = (text: string) => createHash('sha256').update(text).digest();

/** Without a list of changed files: the payload does not say whether the push was forced. */
function pushed(payload: unknown): Change | NoChange {
  const branch = branchOf(payload);
  if (typeof branch !== 'string') return branch;
  const commitSha = commitAt(payload, 'after');
  const head = listAt(payload, 'commits').find((commit) => at(commit, 'id') === commitSha);
  return {
    branch,
    commitSha,
    previousSha: optionalTextAt(payload, 'before'),
    committedAt: optionalTimeAt(head, 'timestamp'),
    message: optionalTextAt(head, 'message'),
  };
}
