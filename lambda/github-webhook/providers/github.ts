import type { Provider } from './provider';
import { branchOf } from './ref';
import { isSigned } from './signature';
import { quoted } from '../../shared/quoted';
import type { Change, ForgeEvent, NoChange, Repository } from '../change';
import { at, commitAt, idAt, listAt, optionalTextAt, repositoryUrlAt, textAt, timeAt } from '../payload';

/** https://docs.github.com/en/webhooks/webhook-events-and-payloads */
export const github: Provider = {
  name: 'GitHub',
  eventHeader: 'x-github-event',
  proofHeader: 'x-hub-signature-256',
  expectedProof: 'the body\'s HMAC SHA-256 with the hook\'s secret; SHA-1 (X-Hub-Signature) is not enough',
  proves: isSigned,
  read(event, payload) {
    switch (event) {
      case 'ping':
        return { kind: 'ping', repository: at(payload, 'repository') ? repositoryOf(payload) : undefined };
      case 'push':
        return { kind: 'changes', repository: repositoryOf(payload), changes: [pushed(payload)] };
      case 'pull_request':
        return pullRequest(payload);
      default:
        return { kind: 'ignored', reason: `The event ${quoted(event)} deploys nothing; ping, push and pull_request are all that is used.` };
    }
  },
};

function repositoryOf(payload: unknown): Repository {
  return { id: idAt(payload, 'repository.id'), cloneUrl: repositoryUrlAt(payload, 'repository.clone_url') };
}

function pushed(payload: unknown): Change | NoChange {
  const branch = branchOf(payload);
  if (typeof branch !== 'string') return branch;
  return {
    branch,
    commitSha: commitAt(payload, 'after'),
    previousSha: optionalTextAt(payload, 'before'),
    pushedAt: timeAt(payload, 'repository.pushed_at'),
    message: optionalTextAt(payload, 'head_commit.message'),
    changedFiles: changedFiles(payload),
  };
}

/** GitHub shows so many commits of a push, and so many files of a commit. */
const COMMITS_SHOWN = 2048;
const FILES_SHOWN = 3000;

function changedFiles(payload: unknown): string[] | undefined {
  const commits = listAt(payload, 'commits');
  // The commits of a new branch are those that no other one has; those of a forced push do not show what they took back.
  const complete = at(payload, 'created') === false && at(payload, 'forced') === false && commits.length > 0 && commits.length < COMMITS_SHOWN;
  if (!complete) return undefined;
  const files = new Set<string>();
  for (const commit of commits) {
    const ofCommit = ['added', 'modified', 'removed'].flatMap((kind) => at(commit, kind));
    if (ofCommit.length >= FILES_SHOWN || !ofCommit.every((file) => typeof file === 'string')) return undefined;
    ofCommit.forEach((file) => files.add(file));
  }
  return [...files];
}

/** With these, a pull request has a head that it did not have before. */
const WITH_A_NEW_HEAD = ['opened', 'reopened', 'synchronize'];

function pullRequest(payload: unknown): ForgeEvent {
  const action = textAt(payload, 'action');
  if (!WITH_A_NEW_HEAD.includes(action)) {
    return { kind: 'ignored', reason: `The action ${quoted(action)} gives a pull request no other commit; ${WITH_A_NEW_HEAD.join(', ')} are all that is used.` };
  }
  return { kind: 'changes', repository: repositoryOf(payload), changes: [headOf(payload)] };
}

function headOf(payload: unknown): Change | NoChange {
  const number = idAt(payload, 'pull_request.number');
  if (!at(payload, 'pull_request.head.repo')) return { skip: `the fork of pull request ${number} was deleted` };
  if (idAt(payload, 'pull_request.head.repo.id') === idAt(payload, 'repository.id')) {
    return { skip: `pull request ${number} is of a branch of the repository, which is deployed when it is pushed` };
  }
  return {
    // Where GitHub keeps the heads of pull requests, those from forks too.
    branch: `pull/${number}/head`,
    commitSha: commitAt(payload, 'pull_request.head.sha'),
    pushedAt: timeAt(payload, 'pull_request.updated_at'),
    fromFork: true,
  };
}
