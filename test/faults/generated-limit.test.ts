import { describeGenerated } from './generated';

describeGenerated('one build of a project at a time', { stopSupersededBuilds: false, maxConcurrentBuildsPerProject: 1 });
