import { payload } from '../rig/payload.mjs';

/** 2 KB as JSON: a list of twelve rows, as an ORM returns them, each with a Date. */
export const dated = {
  total: 12,
  rows: Array.from({ length: 12 }, (_, index) => ({
    id: index + 1,
    title: `The quiet harbour, part ${index + 1}`,
    author: { id: (index % 4) + 1, name: 'Ada' },
    tags: ['novel', 'sea'],
    createdAt: new Date(1_700_000_000_000 + index * 86_400_000),
    words: 1200 + index * 7,
  })),
};

/** The same without Dates: flat JSON. */
export const flat = JSON.parse(JSON.stringify(dated));

export const values = { payload, dated, flat };
