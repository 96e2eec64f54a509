/**
 * Writes an acknowledgement on a resource in the two forms that cdk-nag reads, so that the library need not depend on cdk-nag:
 *
 * - cdk-nag 2: the resource's metadata in the template. A pattern may say which findings of a rule are meant.
 *   https://github.com/cdklabs/cdk-nag/tree/v2.38.2#suppressing-a-rule
 * - cdk-nag 3: metadata of the construct, as `Validations.of(resource).acknowledge()` writes it, which aws-cdk-lib has from 2.257 on.
 *   There, each finding is named in full.
 */
import { CfnResource, Stack } from 'aws-cdk-lib';

export interface Acknowledgement {
  readonly rules: readonly string[];
  /**
   * For a rule that reports each wildcard of a policy by itself: the ones meant, as cdk-nag names them. `…` stands for what differs from
   * stack to stack, so that a wildcard that somebody adds later is not acknowledged with ours.
   * @default - whatever the rule reports
   */
  readonly findings?: readonly string[];
  /** ASCII, or it would stand in the template in base64. */
  readonly reason: string;
}

export function acknowledge(resource: CfnResource, { rules, findings, reason }: Acknowledgement): void {
  const patterns = findings?.map(pattern);
  const entries = rules.map((id) => ({ id, reason, ...(patterns ? { applies_to: patterns.map((regex) => ({ regex: String(regex) })) } : {}) }));
  resource.addMetadata('cdk_nag', { rules_to_suppress: [...resource.getMetadata('cdk_nag')?.rules_to_suppress ?? [], ...entries] });

  const acknowledged: Record<string, string> = {};
  resource.node.addMetadata('aws:cdk:acknowledged-rules', acknowledged);
  const add = (id: string) => acknowledged[`Annotation::${id}`] = reason;
  if (!patterns) {
    rules.forEach(add);
    return;
  }
  // No check, but the one moment in which references to other stacks are resolved and nothing has been written yet.
  resource.node.addValidation({
    validate: () => {
      const meant = wildcards(resource).filter((finding) => patterns.some((regex) => regex.test(finding)));
      rules.forEach((rule) => meant.forEach((finding) => add(`${rule}[${finding}]`)));
      return [];
    },
  });
}

function pattern(finding: string): RegExp {
  return new RegExp(`^${finding.split('…').map((text) => text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('.*')}$`);
}

/** The wildcards of a policy, by the names that cdk-nag gives to its findings. */
function wildcards(policy: CfnResource & { readonly policyDocument?: unknown }): string[] {
  const { Statement } = Stack.of(policy).resolve(policy.policyDocument) as { Statement: Array<Record<'Effect' | 'Action' | 'Resource', unknown>> };
  return Statement.filter(({ Effect }) => Effect === 'Allow').flatMap(({ Action, Resource }) => [
    ...[Action].flat().map((action) => `Action::${action}`),
    ...[Resource].flat().map((resource) => `Resource::${inWords(resource)}`),
  ]).filter((finding) => finding.includes('*'));
}

/** As cdk-nag's own `flattenCfnReference` writes a reference, for those that a policy of the pipeline can hold. */
function inWords(value: unknown): string {
  if (typeof value === 'string') return value.replace(/\$\{/g, '<').replace(/\}/g, '>');
  const [[intrinsic, argument]] = Object.entries(value as Record<string, unknown>);
  switch (intrinsic) {
    case 'Ref': return `<${argument}>`;
    case 'Fn::GetAtt': return `<${(argument as string[]).join('.')}>`;
    case 'Fn::ImportValue': return inWords(argument);
    case 'Fn::Join': {
      const [delimiter, parts] = argument as [string, unknown[]];
      return parts.map(inWords).join(delimiter);
    }
    default: return JSON.stringify(value);
  }
}
