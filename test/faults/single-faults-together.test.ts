import { DEPLOYMENT, describeSingleFaults, ORDINARY } from './single-faults';

describeSingleFaults({
  'two of one branch, the older is stopped': {
    ...ORDINARY, concurrentBuilds: 2, stopSupersededBuilds: true, deployments: [{ ...DEPLOYMENT, buildSeconds: 400 }, { ...DEPLOYMENT, at: 30_000 }],
  },
  'two of one branch, the older is done before the reconciler looks': {
    ...ORDINARY, concurrentBuilds: 2, deployments: [{ ...DEPLOYMENT, buildSeconds: 200 }, { ...DEPLOYMENT, at: 30_000, buildSeconds: 20 }],
  },
  'two of one branch at the same time': { ...ORDINARY, concurrentBuilds: 2, deployments: [DEPLOYMENT, { ...DEPLOYMENT, at: 5 }] },
  'no capacity': { ...ORDINARY, deployments: [{ ...DEPLOYMENT, buildSeconds: 200 }, { ...DEPLOYMENT, at: 500, branch: 1 }] },
  'a project at its limit': {
    ...ORDINARY,
    concurrentBuilds: 3,
    maxConcurrentBuildsPerProject: 1,
    deployments: [{ ...DEPLOYMENT, buildSeconds: 200 }, { ...DEPLOYMENT, at: 500, branch: 1 }],
  },
}, 1);
