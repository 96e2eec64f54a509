/**
 * The condition keys that this run fills in as AWS does: here, or in the services. A policy that asks for another one cannot be decided,
 * for nobody knows whether AWS would fill it in.
 */
const KNOWN: readonly RegExp[] = [
  /^aws:(PrincipalAccount|PrincipalArn|RequestedRegion|SecureTransport|SourceAccount|SourceArn|ViaAWSService)$/i,
  /^codebuild:(buildArn|projectArn)$/i,
  /^codebuild:(source\.buildspec|serviceRole|environment\.(image|privilegedMode|environmentVariables\.name))$/i,
  /^dynamodb:(Attributes|LeadingKeys)$/i,
  /^events:(source|detail-type)$/i,
  /^kms:(CallerAccount|ViaService|EncryptionContext:aws:(s3:arn|sqs:arn|dynamodb:tableName|logs:arn))$/i,
  /^lambda:(FunctionUrlAuthType|InvokedViaFunctionUrl)$/i,
  /^s3:(prefix|delimiter|max-keys)$/i,
];

export function checkKnown(key: string): void {
  if (!KNOWN.some((pattern) => pattern.test(key))) throw new Error(`the local run does not know the condition key ${key}, which a policy asks for.`);
}
