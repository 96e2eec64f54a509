import type { Provider } from './provider';
import { isSigned } from './signature';
import { quoted } from '../../shared/quoted';
import type { Change, NoChange, Repository } from '../change';
import { at, commitAt, idAt, listAt, optionalTextAt, optionalTimeAt, repositoryUrlAt, textAt } from '../payload';

/** Bitbucket Cloud: https://support.atlassian.com/bitbucket-cloud/docs/event-payloads/ */
export const bitbucket: Provider = {
  name: 'Bitbucket',
  eventHeader: 'x-event-key',
  proofHeader: 'x-hub-signature',
  expectedProof: 'the body\'s HMAC SHA-256 with the hook\'s secret',
  proves: isSigned,
  read(event, payload) {
    if (event !== 'repo:push') return { kind: 'ignored', reason: `The event ${quoted(event)} deploys nothing; repo:push is all that is used.` };
    return { kind: 'changes', repository: repositoryOf(payload), changes: listAt(payload, 'push.changes').map(pushed) };
  },
};

function repositoryOf(payload: unknown): Repository {
  return { id: idAt(payload, 'repository.uuid'), cloneUrl: `${repositoryUrlAt(payload, 'repository.links.html.href')}.git` };
}

/** Without a list of changed files: Bitbucket shows none. */
function pushed(change: unknown): Change | NoChange {
  if (!at(change, 'new')) return { skip: `${quoted(optionalTextAt(change, 'old.name') ?? '')} was deleted` };
  const name = textAt(change, 'new.name');
  if (at(change, 'new.type') !== 'branch') return { skip: `${quoted(name)} is not a branch, and only branches are deployed` };
  return {
    branch: name,
    commitSha: commitAt(change, 'new.target.hash'),
    previousSha: optionalTextAt(change, 'old.target.hash'),
    committedAt: optionalTimeAt(change, 'new.target.date'),
    message: optionalTextAt(change, 'new.target.message'),
  };
}
