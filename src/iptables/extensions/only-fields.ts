// Refuses fields that an inner object of a typed extension does not have. Not an extension.
import { refusedType } from '../text/refused.js';

export function onlyFields(value: object, path: string, fields: readonly string[]): void {
  const other = Object.keys(value).find((key) => !fields.includes(key));
  if (other === undefined) return;
  throw refusedType(`${path}.${other}`, `no such field; its fields: ${fields.join(', ')}`);
}
