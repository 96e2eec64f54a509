import { describeGenerated } from './generated';

describeGenerated('defaults', { stopSupersededBuilds: false });
