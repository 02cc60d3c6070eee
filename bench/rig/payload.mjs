/** What an API answers with: 20 items, 3 KB as JSON. */
export const payload = {
  page: 1,
  total: 20,
  items: Array.from({ length: 20 }, (_, index) => ({
    id: index + 1,
    slug: `the-quiet-harbour-${index + 1}`,
    title: `The quiet harbour, part ${index + 1}`,
    author: { id: (index % 4) + 1, name: 'Ada' },
    published: true,
    words: 1200 + index * 7,
    comments: index % 7,
  })),
};
