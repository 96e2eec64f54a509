/** A webhook whose projects table has no index, and keys of other names. */
import { push, webhook } from './webhook-support';

const door = webhook({ repositoryIndex: '', repositoryIdIndex: '' });

test('has only the URLs of projects', async () => {
  await door.putProject({ projectId: 'shop' });
  expect((await door.deliver({ projectId: 'shop' })).status).toBe(201);
  expect(await door.deliver({ payload: push() })).toMatchObject({
    status: 404, body: { outcome: 'refused', reason: expect.stringMatching(/Expected a URL that ends with \/projects\/<projectId>/) },
  });
});
