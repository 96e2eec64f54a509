/** Functions of a template by what they are told in their environment: so those of the pipeline are known among others. */
import type { Resolver } from './resolver';

export interface TemplateFunction {
  readonly arn: string;
  readonly name: string;
  readonly variables: Readonly<Record<string, string>>;
}

export function functionsOf(resolvers: readonly Resolver[]): TemplateFunction[] {
  return resolvers.flatMap((resolver) => resolver.resourcesOfType('AWS::Lambda::Function').map(({ logicalId, properties }) => ({
    arn: resolver.arn(logicalId),
    name: resolver.physicalName(logicalId),
    variables: (properties.Environment as { Variables?: Record<string, string> } | undefined)?.Variables ?? {},
  })));
}
