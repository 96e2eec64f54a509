/** The little XML that S3 speaks: elements without attributes. */

export type XmlValue = string | number | boolean | undefined | XmlNode | XmlNode[];
/** Elements in order; an array repeats its element, undefined leaves it out. */
export interface XmlNode {
  readonly [element: string]: XmlValue;
}

export function xmlDocument(root: string, content: XmlNode | string, namespace = true): string {
  const attribute = namespace ? ' xmlns="http://s3.amazonaws.com/doc/2006-03-01/"' : '';
  return `<?xml version="1.0" encoding="UTF-8"?>\n<${root}${attribute}>${typeof content === 'string' ? escapeXml(content) : children(content)}</${root}>`;
}

function children(node: XmlNode): string {
  return Object.entries(node).map(([name, value]) => [value].flat().map((item) => element(name, item)).join('')).join('');
}

function element(name: string, value: XmlNode | string | number | boolean | undefined): string {
  if (value === undefined) {
    return '';
  }
  return `<${name}>${typeof value === 'object' ? children(value) : escapeXml(String(value))}</${name}>`;
}

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;' };

function escapeXml(text: string): string {
  // Control characters go out as references, as S3 does; parsers refuse some of them, which is what encoding-type=url is for.
  return text.replace(/[&<>"]|[^\P{Cc}\n\t]/gu, (character) => ENTITIES[character] ?? `&#x${character.charCodeAt(0).toString(16)};`);
}

/** Contents of every element of that name, at any depth. */
export function xmlElements(document: string, name: string): string[] {
  return [...document.matchAll(new RegExp(`<${name}(?:\\s[^>]*)?>([\\s\\S]*?)</${name}>`, 'g'))].map((match) => match[1]);
}

/** Text of the first element of that name. */
export function xmlText(document: string, name: string): string | undefined {
  const names: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: '\'' };
  return xmlElements(document, name)[0]?.replace(/&(?:#x([0-9a-f]+)|#(\d+)|(amp|lt|gt|quot|apos));/gi, (_, hex, decimal, entity) => (
    entity ? names[entity.toLowerCase()] : String.fromCodePoint(hex ? parseInt(hex, 16) : Number(decimal))
  ));
}
