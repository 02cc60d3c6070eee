import { readFileSync } from 'node:fs';

/** The files of the page, and how they are sent. */
export const ASSETS = {
  'dashboard.html': 'text/html; charset=utf-8',
  'dashboard.css': 'text/css; charset=utf-8',
  'dashboard.js': 'text/javascript; charset=utf-8',
} as const;

export type AssetName = keyof typeof ASSETS;

/** Beside this file in the sources, beside the folders of both formats in the package. */
const FOLDERS = ['./assets/', '../assets/'];

const read = new Map<AssetName, string>();

export function assetText(name: AssetName): string {
  const known = read.get(name);
  if (known !== undefined) return known;
  const asset = readFirst(FOLDERS.map((folder) => new URL(folder + name, import.meta.url)));
  read.set(name, asset);
  return asset;
}

function readFirst([file, ...others]: readonly URL[]): string {
  try {
    return readFileSync(file!, 'utf8');
  } catch (error) {
    if (others.length === 0) throw error;
    return readFirst(others);
  }
}
