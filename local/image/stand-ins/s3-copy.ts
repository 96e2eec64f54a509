/** Uploads a file or a directory, streaming, a few files at a time. */
import { createReadStream } from 'node:fs';
import { lstat, readdir, stat } from 'node:fs/promises';
import { basename, join } from 'node:path';
import { PutObjectCommand, S3Client } from '@aws-sdk/client-s3';
import { lookup } from 'mime-types';
import { isIncluded, type CpArguments } from './aws-arguments';

interface Upload {
  readonly file: string;
  readonly key: string;
}

/** The AWS CLI's own default. */
const CONCURRENT_UPLOADS = 10;
/** S3 takes no more in one request, and this does not do multipart uploads. */
const MAX_BYTES = 5 * 1024 ** 3;

/** False when an upload failed; the others were done all the same. */
export async function copyToBucket(args: CpArguments): Promise<boolean> {
  const uploads = args.recursive ? await uploadsBelow(args) : await uploadOfFile(args);
  const client = new S3Client({});
  let succeeded = true;
  const worker = async (): Promise<void> => {
    for (let upload = uploads.shift(); upload; upload = uploads.shift()) {
      const target = `s3://${args.bucket}/${upload.key}`;
      try {
        await put(client, args, upload);
        if (!args.quiet) {
          console.log(`upload: ${upload.file} to ${target}`);
        }
      } catch (error) {
        succeeded = false;
        if (!args.silent) {
          const { name, message } = error as Error;
          console.error(`upload failed: ${upload.file} to ${target} An error occurred (${name}) when calling the PutObject operation: ${message}`);
        }
      }
    }
  };
  await Promise.all(Array.from({ length: CONCURRENT_UPLOADS }, worker));
  client.destroy();
  return succeeded;
}

async function put(client: S3Client, { bucket, contentType, cacheControl }: CpArguments, { file, key }: Upload): Promise<void> {
  const { size } = await stat(file);
  if (size > MAX_BYTES) {
    throw new Error(`The file has ${size} bytes; the stand-in for the AWS CLI uploads at most ${MAX_BYTES}.`);
  }
  await client.send(new PutObjectCommand({
    Bucket: bucket,
    Key: key,
    Body: createReadStream(file),
    ContentLength: size,
    ContentType: contentType ?? (lookup(file) || undefined),
    CacheControl: cacheControl,
  }));
}

async function uploadOfFile({ source, key, filters }: CpArguments): Promise<Upload[]> {
  const file = await stat(source).catch(() => undefined);
  if (!file?.isFile()) {
    throw new Error(`The user-provided path ${source} ${file ? 'is a directory: use --recursive' : 'does not exist'}.`);
  }
  return isIncluded(basename(source), filters) ? [{ file: source, key: key === '' || key.endsWith('/') ? `${key}${basename(source)}` : key }] : [];
}

/** Follows symbolic links, as the AWS CLI does, unless told otherwise. */
async function uploadsBelow({ source, key, filters, followLinks }: CpArguments): Promise<Upload[]> {
  if (!(await stat(source).catch(() => undefined))?.isDirectory()) {
    throw new Error(`The user-provided path ${source} does not exist or is not a directory.`);
  }
  const prefix = key === '' || key.endsWith('/') ? key : `${key}/`;
  const uploads: Upload[] = [];
  const walk = async (below: string): Promise<void> => {
    for (const name of (await readdir(join(source, below))).sort()) {
      const path = below ? `${below}/${name}` : name;
      const found = await (followLinks ? stat : lstat)(join(source, path));
      if (found.isDirectory()) {
        await walk(path);
      } else if (!found.isSymbolicLink() && isIncluded(path, filters)) {
        uploads.push({ file: join(source, path), key: prefix + path });
      }
    }
  };
  await walk('');
  return uploads;
}
