import { GetSecretValueCommand, PutSecretValueCommand, ResourceNotFoundException, SecretsManagerClient } from '@aws-sdk/client-secrets-manager';
import { startSecretsManager, type SecretsManager } from '../../../local/services/secrets-manager';
import { AccessDeniedError, type ApiCall } from '../../../local/services/service';

let service: SecretsManager;
let client: SecretsManagerClient;
let authorize: (call: ApiCall) => void;

beforeEach(async () => {
  authorize = () => undefined;
  service = await startSecretsManager({ accountId: '111122223333', region: 'eu-central-1', onCall: (call) => authorize(call) });
  client = new SecretsManagerClient({
    region: 'eu-central-1', endpoint: service.endpoint, maxAttempts: 1, credentials: { accessKeyId: 'AKIDTEST', secretAccessKey: 'secret' },
  });
});

afterEach(async () => {
  client.destroy();
  await service.close();
});

const get = async (SecretId: string) => client.send(new GetSecretValueCommand({ SecretId }));

test('a secret is read by its name or its ARN', async () => {
  service.putSecret('builds/web', '{"A":"ä"}');
  const byName = await get('builds/web');
  expect(byName).toMatchObject({ Name: 'builds/web', SecretString: '{"A":"ä"}', VersionStages: ['AWSCURRENT'], CreatedDate: expect.any(Date) });
  expect(byName.ARN).toMatch(/^arn:aws:secretsmanager:eu-central-1:111122223333:secret:builds\/web-[A-Za-z0-9]{6}$/);
  expect((await get(byName.ARN!)).SecretString).toBe('{"A":"ä"}');
});

test('a new value takes the place of the old one', async () => {
  service.putSecret('name', 'old');
  service.putSecret('name', 'new');
  expect((await get('name')).SecretString).toBe('new');
});

test.each(['missing', 'builds/we', 'arn:aws:secretsmanager:eu-central-1:111122223333:secret:builds/web'])('there is no secret %s', async (name) => {
  service.putSecret('builds/web', 'value');
  await expect(get(name)).rejects.toThrow(ResourceNotFoundException);
});

test('a call is reported with the ARN of the secret, and can be refused', async () => {
  const calls: ApiCall[] = [];
  authorize = (call) => {
    calls.push(call);
    throw new AccessDeniedError('no');
  };
  await expect(get('builds/web')).rejects.toMatchObject({ name: 'AccessDeniedException' });
  expect(calls).toEqual([{
    service: 'secretsmanager',
    action: 'secretsmanager:GetSecretValue',
    accessKeyId: 'AKIDTEST',
    resource: expect.stringMatching(/^arn:aws:secretsmanager:eu-central-1:111122223333:secret:builds\/web-\w{6}$/),
  }]);
});

test('nothing else is supported', async () => {
  await expect(client.send(new PutSecretValueCommand({ SecretId: 'a', SecretString: 'b' }))).rejects.toThrow('does not support PutSecretValue, only GetSecretValue');
});

test('the version before is there as AWSPREVIOUS, and by its id', async () => {
  service.putSecret('name', 'old');
  const { VersionId } = await get('name');
  await expect(client.send(new GetSecretValueCommand({ SecretId: 'name', VersionStage: 'AWSPREVIOUS' }))).rejects.toThrow(ResourceNotFoundException);
  service.putSecret('name', 'new');
  expect(await client.send(new GetSecretValueCommand({ SecretId: 'name', VersionStage: 'AWSPREVIOUS' }))).toMatchObject({ SecretString: 'old', VersionStages: ['AWSPREVIOUS'], VersionId });
  expect(await client.send(new GetSecretValueCommand({ SecretId: 'name', VersionId }))).toMatchObject({ SecretString: 'old' });
  await expect(client.send(new GetSecretValueCommand({ SecretId: 'name', VersionId, VersionStage: 'AWSCURRENT' }))).rejects.toThrow(ResourceNotFoundException);
});
