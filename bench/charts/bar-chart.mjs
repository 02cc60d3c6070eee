const WIDTH = 760;
const LABEL = 250;
const ROW = 24;
const TOP = 62;
const RIGHT = 120;

const escaped = (text) => text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`);
const number = (value) =>
  value >= 100 ? Math.round(value).toLocaleString('en') : value >= 10 ? value.toFixed(1) : value.toFixed(2);

/**
 * A chart of horizontal bars, each with its interval, readable on light and dark backgrounds.
 * @param {{ title: string, subtitle: string, unit: string, rows: { name: string, median: number, low: number, high: number, isOurs: boolean }[] }} chart
 */
export function barChart({ title, subtitle, unit, rows }) {
  const height = TOP + rows.length * ROW + 16;
  const most = Math.max(...rows.map(({ median }) => median));
  const scale = (WIDTH - LABEL - RIGHT) / most;
  const x = (value) => (LABEL + Math.min(value, most * 1.12) * scale).toFixed(1);
  const bars = rows.map(({ name, median, low, high, isOurs }, at) => {
    const y = TOP + at * ROW;
    const middle = y + ROW / 2 - 3;
    return [
      `<text x="${LABEL - 10}" y="${y + 13}" text-anchor="end"${isOurs ? ' font-weight="bold"' : ''}>${escaped(name)}</text>`,
      `<rect x="${LABEL}" y="${y}" width="${Math.max(1, median * scale).toFixed(1)}" height="${ROW - 6}" rx="2" fill="${isOurs ? '#e0234e' : '#8a94a6'}"/>`,
      `<line x1="${x(low)}" x2="${x(high)}" y1="${middle}" y2="${middle}" stroke="#555" stroke-width="1.5"/>`,
      `<text x="${Number(x(Math.max(median, high))) + 8}" y="${y + 13}">${number(median)}</text>`,
    ].join('\n');
  });
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${escaped(title)}" font-family="system-ui, sans-serif" font-size="13">
<rect width="${WIDTH}" height="${height}" rx="6" fill="#fff"/>
<g fill="#1f2328">
<text x="16" y="26" font-size="16" font-weight="bold">${escaped(title)}</text>
<text x="16" y="46" fill="#59636e">${escaped(`${unit}; ${subtitle}`)}</text>
${bars.join('\n')}
</g>
</svg>
`;
}
