export * from './github-webhook';
export * from './github-webhook-props';
export * from './nextjs-build-pipeline';
export * from './nextjs-build-pipeline-props';
export * from './source-provider';
