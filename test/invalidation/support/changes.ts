import type { Change, ChangeType, PathReading, RowView } from '../../../lib/invalidation/change.interface.js';

/** The entity of these tests; only its name and shape matter. */
export class User {
  id!: number;
  email!: string;
  status!: string;
  archived!: boolean;
  tenant!: number | null;
  author!: { id: number; name: string; team: { id: number } } | null;
}

/** A row with these values; a property that is missing, or `undefined`, cannot be known. */
export function row(values: Record<string, unknown>): RowView {
  return {
    object: values,
    complete: true,
    read(path): PathReading {
      let value: unknown = values;
      for (const step of path.split('.')) {
        if (value === null) return { known: true, value: null };
        if (value === undefined) return { known: false };
        value = (value as Record<string, unknown>)[step];
      }
      return value === undefined ? { known: false } : { known: true, value };
    },
  };
}

function change(type: ChangeType, rest: Partial<Change>): Change {
  return {
    table: 'user',
    entityName: 'User',
    entity: User,
    type,
    id: undefined,
    before: undefined,
    after: undefined,
    updatedColumns: undefined,
    ...rest,
  };
}

type Values = Record<string, unknown>;

export const inserted = (after: Values): Change =>
  change('insert', { before: null, after: row(after), id: after['id'] });

export const removed = (before: Values): Change =>
  change('remove', { before: row(before), after: null, id: before['id'] });

export const updated = (before: Values, after: Values, updatedColumns?: string[]): Change =>
  change('update', { before: row(before), after: row(after), id: after['id'], updatedColumns });

/** A bulk statement: nobody knows which rows. */
export const bulk = (type: ChangeType = 'update', updatedColumns?: string[]): Change =>
  change(type, { updatedColumns });
