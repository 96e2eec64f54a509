import { describeGenerated } from './generated';

describeGenerated('one build of a project at a time, superseded builds are stopped', { stopSupersededBuilds: true, maxConcurrentBuildsPerProject: 1 });
