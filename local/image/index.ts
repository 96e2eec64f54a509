/** The build image of a local run: this machine's tools, completed by what a CodeBuild image has and this machine lacks. */
export { buildEnvironment, npmSettings, type NpmSettings } from './build-environment';
export { prepareImage, type Image } from './prepare-image';
