import * as lambda from 'aws-cdk-lib/aws-lambda';
import { Construct } from 'constructs';

/**
 * A function URL that anybody can call. Since October 2025 that takes two permissions, the second of which is good for calls through the URL
 * only. `addFunctionUrl` gives the second from aws-cdk-lib 2.218 on; made like this, the template is the same with every version.
 * https://docs.aws.amazon.com/lambda/latest/dg/urls-auth.html
 */
export function createPublicUrl(scope: Construct, fn: lambda.Function): string {
  const { functionArn } = fn;
  const url = new lambda.CfnUrl(scope, 'Url', { targetFunctionArn: functionArn, authType: lambda.FunctionUrlAuthType.NONE });
  new lambda.CfnPermission(scope, 'UrlPermission', {
    action: 'lambda:InvokeFunctionUrl', functionName: functionArn, principal: '*', functionUrlAuthType: lambda.FunctionUrlAuthType.NONE,
  });
  const invoke = new lambda.CfnPermission(scope, 'InvokeThroughUrlPermission', { action: 'lambda:InvokeFunction', functionName: functionArn, principal: '*' });
  invoke.addPropertyOverride('InvokedViaFunctionUrl', true);
  return url.attrFunctionUrl;
}
