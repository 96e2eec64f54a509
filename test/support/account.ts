/** The account that a synthesized template would make, for the simulator of its policies. */
import type { Template } from 'aws-cdk-lib/assertions';
import { Account } from '../../local/iam/account';
import type { StackTemplate } from '../../local/template/assembly';
import { ACCOUNT_ID, createResolvers, type Resolver } from '../../local/template/resolver';

export const REGION = 'us-east-1';

export function resolverOf(template: Template): Resolver {
  const { Resources: resources, Parameters: parameters = {}, Mappings: mappings = {}, Conditions: conditions = {}, Outputs: outputs = {} } = template.toJSON();
  const stack: StackTemplate = { stackName: 'Test', resources, parameters, mappings, conditions, outputs };
  return createResolvers([stack], { region: REGION, queueUrl: (name) => `https://sqs.${REGION}.amazonaws.com/${ACCOUNT_ID}/${name}` })[0];
}

export function accountOf(template: Template): Account {
  return new Account([resolverOf(template)]);
}
