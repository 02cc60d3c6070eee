const DECIMAL = /^([+-]?)(\d*)(?:\.(\d*))?(?:e([+-]?)(\d+))?$/;
const RADIX = /^0(?:x[0-9a-f]{1,64}|o[0-7]{1,64}|b[01]{1,64})$/;

/** Powers of ten up to this are written out; beyond, the exponent stays one. */
const WRITTEN_OUT = 30;

/**
 * The one spelling of the number that a lower-case text spells (`'042'`, `'+42'`, `'42.0'`, `'4.2e1'`, `'0x2a'` →
 * `'42'`), worked out on the digits, so that nothing is rounded; `undefined` where the text is no number.
 */
export function coarseNumber(text: string): string | undefined {
  if (RADIX.test(text)) return normalise('', BigInt(text).toString(), 0);
  const match = DECIMAL.exec(text);
  if (match === null) return undefined;
  const [, sign = '', whole = '', fraction = '', exponentSign = '', exponentDigits = ''] = match;
  if (whole === '' && fraction === '') return undefined;
  const exponent = exponentDigits.replace(/^0+/, '');
  // An exponent of ten digits and more says nothing a number type holds: the text stays a text, unless it is zero.
  if (exponent.length > 9) return /[1-9]/.test(whole + fraction) ? undefined : '0';
  const power = Number(exponent || 0) * (exponentSign === '-' ? -1 : 1) - fraction.length;
  return normalise(sign === '-' ? '-' : '', whole + fraction, power);
}

function normalise(sign: string, digits: string, power: number): string {
  let end = digits.length;
  while (end > 0 && digits[end - 1] === '0') end--;
  if (end === 0) return '0';
  let start = 0;
  while (digits[start] === '0') start++;
  const significant = digits.slice(start, end);
  const exponent = power + digits.length - end;
  if (exponent >= 0 && exponent <= WRITTEN_OUT) return sign + significant + '0'.repeat(exponent);
  if (exponent < 0 && exponent >= -WRITTEN_OUT) {
    const padded = significant.padStart(1 - exponent, '0');
    return `${sign}${padded.slice(0, exponent)}.${padded.slice(exponent)}`;
  }
  return `${sign}${significant}e${exponent}`;
}
