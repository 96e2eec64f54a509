/** Resources of the templates, with their properties resolved and under the names that they have in this run. */
import type { Resolver } from '../template/resolver';

export interface Declared {
  readonly logicalId: string;
  readonly type: string;
  readonly name: string;
  readonly arn: string;
  readonly properties: Readonly<Record<string, any>>;
}

export type DeclaredResources = (...types: string[]) => Declared[];

export function declaredResources(resolvers: readonly Resolver[]): DeclaredResources {
  return (...types) => resolvers.flatMap((resolver) => resolver.resourcesOfType(...types).map(({ logicalId, type, properties }) => ({
    logicalId, type, name: resolver.physicalName(logicalId), arn: resolver.arn(logicalId), properties,
  })));
}
