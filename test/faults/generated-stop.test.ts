import { describeGenerated } from './generated';

describeGenerated('superseded builds are stopped', { stopSupersededBuilds: true });
