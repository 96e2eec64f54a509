/** A webhook whose projects table has no index, and keys of other names. */
import { push, REPOSITORY, webhook } from './webhook-support';

const door = webhook({ repositoryIndex: '', repositoryIdIndex: '', projectsPartitionKey: 'partition', projectsSortKey: 'sort' });

test('has only the URLs of projects', async () => {
  await door.putProject({ projectId: 'shop' });
  expect((await door.deliver({ projectId: 'shop' })).status).toBe(201);
  expect(await door.deliver({ payload: push() })).toMatchObject({
    status: 404, body: { outcome: 'refused', reason: expect.stringMatching(/Expected a URL that ends with \/projects\/<projectId>/) },
  });
});

test('writes what it learns into the project\'s item', async () => {
  await door.putProject({ projectId: 'shop' });
  await door.deliver({ projectId: 'shop' });
  expect(await door.project('shop')).toMatchObject({ partition: 'PROJECT#shop', sort: 'METADATA', repositoryId: String(REPOSITORY.id) });
});
