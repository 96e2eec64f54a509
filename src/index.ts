export * from './nextjs-build-pipeline';
export * from './nextjs-build-pipeline-props';
export * from './source-provider';
