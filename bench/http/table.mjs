/** The median of numbers. */
export function median(numbers) {
  const sorted = [...numbers].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

const figures = {
  rate: { unit: 'req/s', better: (own, other) => own / other },
  cpu: { unit: 'µs of CPU', better: (own, other) => other / own },
};

/** One platform: medians, and how many times better, round by round, so that both sides of a ratio saw one machine. */
export function table(platform, servers) {
  const [bare, peer] = servers;
  const value = (server, figure) =>
    `${Math.round(median(server.rounds.map((round) => round[figure]))).toLocaleString('en')} ${figures[figure].unit}`;
  const against = (server, other, figure) => {
    if (server === other) return '';
    const ratios = server.rounds.map((round, index) =>
      figures[figure].better(round[figure], other.rounds[index][figure]),
    );
    return `${median(ratios).toFixed(2)} (${Math.min(...ratios).toFixed(2)}–${Math.max(...ratios).toFixed(2)})`;
  };
  const rows = servers.flatMap((server) =>
    Object.keys(figures).map((figure, index) => [
      index === 0 ? server.variant : '',
      value(server, figure),
      against(server, bare, figure),
      against(server, peer, figure),
    ]),
  );
  const head = [platform, 'median', '× bare (spread)', '× CacheInterceptor (spread)'];
  const widths = head.map((_, column) => Math.max(...[head, ...rows].map((row) => row[column].length)));
  const line = (row) => `| ${row.map((cell, column) => cell.padEnd(widths[column])).join(' | ')} |`;
  return [line(head), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n') + '\n';
}
