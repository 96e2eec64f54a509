/** Reads what `cdk synth` wrote: templates and the folders of their file assets. */
import { existsSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import * as path from 'node:path';

export interface Resource {
  readonly Type: string;
  readonly Properties?: Record<string, unknown>;
  readonly Condition?: string;
}

export interface StackTemplate {
  readonly stackName: string;
  readonly resources: Readonly<Record<string, Resource>>;
  readonly parameters: Readonly<Record<string, { readonly Default?: unknown; readonly Type?: string }>>;
  readonly mappings: Readonly<Record<string, Record<string, Record<string, unknown>>>>;
  readonly conditions: Readonly<Record<string, unknown>>;
  readonly outputs: Readonly<Record<string, { readonly Value: unknown; readonly Export?: { readonly Name: unknown } }>>;
}

export interface Assembly {
  readonly stacks: readonly StackTemplate[];
  /** Folder or file of an asset, by its object key in the asset bucket (`<hash>.zip`). */
  readonly assets: ReadonlyMap<string, string>;
}

interface Manifest {
  readonly artifacts?: Record<string, { readonly type: string; readonly properties?: Record<string, string> }>;
}

/** @param directory a cdk.out, with its stages (nested assemblies) */
export async function readAssembly(directory: string): Promise<Assembly> {
  const manifestFile = path.join(directory, 'manifest.json');
  if (!existsSync(manifestFile)) {
    throw new Error(`${directory} is not a cdk.out: it has no manifest.json. Name the output directory of "cdk synth".`);
  }
  const stacks: StackTemplate[] = [];
  const assets = new Map<string, string>();
  const manifest = await readJson<Manifest>(manifestFile);
  for (const [id, { type, properties = {} }] of Object.entries(manifest.artifacts ?? {})) {
    if (type === 'aws:cloudformation:stack') {
      const template = await readJson<Record<string, never>>(path.join(directory, properties.templateFile));
      stacks.push({
        stackName: properties.stackName ?? id,
        resources: template.Resources ?? {},
        parameters: template.Parameters ?? {},
        mappings: template.Mappings ?? {},
        conditions: template.Conditions ?? {},
        outputs: template.Outputs ?? {},
      });
    } else if (type === 'cdk:asset-manifest') {
      await addAssets(assets, directory, properties.file);
    } else if (type === 'cdk:cloud-assembly') {
      const nested = await readAssembly(path.join(directory, properties.directoryName));
      stacks.push(...nested.stacks);
      nested.assets.forEach((source, key) => assets.set(key, source));
    }
  }
  return { stacks, assets };
}

async function addAssets(assets: Map<string, string>, directory: string, file: string): Promise<void> {
  const { files = {} } = await readJson<{
    files?: Record<string, { source: { path?: string }; destinations: Record<string, { objectKey: string }> }>;
  }>(path.join(directory, file));
  for (const { source, destinations } of Object.values(files)) {
    if (!source.path) continue;
    for (const { objectKey } of Object.values(destinations)) assets.set(objectKey, path.resolve(directory, source.path));
  }
}

async function readJson<T>(file: string): Promise<T> {
  return JSON.parse(await readFile(file, 'utf8')) as T;
}
